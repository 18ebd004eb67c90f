"""Routes of the App itself, of accounts and of repositories."""

from __future__ import annotations

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, created, ok
from bot.standin.shapes import installations, repositories


def get_app(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    return ok(call.hub.app_shape())


def get_installation(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    repo = call.repository
    return ok(installations.installation(call.hub, repo.owner, repo.created_at))


def create_token(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    authority = call.hub.authority
    if not authority.is_installed or call.number("installation_id") != authority.installation_id:
        raise ApiError(404, "Not Found")
    token, expires_at = authority.installation_token()
    return created(
        {
            "token": token,
            "expires_at": repositories.when(expires_at),
            "permissions": call.hub.registration.permissions,
            "repository_selection": "all",
        }
    )


def get_user(call: Call) -> Reply:
    account = call.hub.state.accounts.get(call.param("username"))
    if account is None:
        raise ApiError(404, "Not Found")
    return ok(repositories.public_user(call.base, account, call.hub.state.clock()))


def get_repository(call: Call) -> Reply:
    return ok(repositories.repository(call.base, call.repository))


def get_permission(call: Call) -> Reply:
    repo = call.require("write")
    account = call.hub.state.accounts.get(call.param("username"))
    if account is None:
        raise ApiError(404, "Not Found")
    return ok(repositories.permission(call.base, account, repo.role_of(account.login)))


ROUTES: Routes = {
    ("GET", "/app"): get_app,
    ("POST", "/app/installations/{installation_id}/access_tokens"): create_token,
    ("GET", "/users/{username}"): get_user,
    ("GET", REPO): get_repository,
    ("GET", f"{REPO}/installation"): get_installation,
    ("GET", f"{REPO}/collaborators/{{username}}/permission"): get_permission,
}
