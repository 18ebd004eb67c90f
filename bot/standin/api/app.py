"""Routes of the App itself, of accounts and of repositories."""

from __future__ import annotations

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, created, ok
from bot.standin.hub import EVENTS, PERMISSIONS
from bot.standin.shapes import repositories


def get_app(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    return ok(call.hub.app_shape())


def get_installation(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    repo, hub = call.repository, call.hub
    installation_id = hub.authority.installation_id
    url = f"{call.base}/app/installations/{installation_id}"
    born = repositories.when(repo.created_at)
    return ok(
        {
            "id": installation_id,
            "account": repositories.user(call.base, repo.owner),
            "repository_selection": "all",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{call.base}/installation/repositories",
            "html_url": f"{call.base}/settings/installations/{installation_id}",
            "app_id": hub.authority.app_id,
            "app_slug": hub.state.bot.login.removesuffix("[bot]"),
            "target_id": repo.owner.id,
            "target_type": "User",
            "permissions": PERMISSIONS,
            "events": list(EVENTS),
            "single_file_name": None,
            "created_at": born,
            "updated_at": born,
            "suspended_at": None,
            "suspended_by": None,
        }
    )


def create_token(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    if call.number("installation_id") != call.hub.authority.installation_id:
        raise ApiError(404, "Not Found")
    token, expires_at = call.hub.authority.installation_token()
    return created(
        {
            "token": token,
            "expires_at": repositories.when(expires_at),
            "permissions": PERMISSIONS,
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
