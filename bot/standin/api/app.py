"""Routes of the App itself, of accounts and of repositories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, created, ok
from bot.standin.hub import EVENTS, PERMISSIONS
from bot.standin.shapes import repositories
from bot.standin.state import Repository
from bot.standin.webhooks import Delivery


def get_app(call: Call) -> Reply:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    return ok(call.hub.app_shape())


def _app_only(call: Call) -> None:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")


def list_installations(call: Call) -> Reply:
    _app_only(call)
    owned = list(call.hub.state.repositories.values())[:1]
    return call.paged(owned, lambda repo: _installation(call, repo))


def list_installed(call: Call) -> Reply:
    if call.actor.kind != "installation":
        raise ApiError(403, "You must authenticate with an installation access token")
    everything = list(call.hub.state.repositories.values())
    return call.paged(
        everything, lambda repo: repositories.repository(call.base, repo), key="repositories"
    )


def list_deliveries(call: Call) -> Reply:
    _app_only(call)
    log = [each for each in reversed(call.hub.webhooks.log) if each.done.is_set()]
    return call.paged(log, _delivery)


def _delivery(each: Delivery) -> dict[str, Any]:
    return {
        "id": each.number,
        "guid": each.id,
        "delivered_at": datetime.fromtimestamp(each.created_s, UTC).isoformat(),
        "redelivery": each.tries > 1,
        "duration": 0.1,
        "status": "OK" if each.status and each.status < 300 else "failed",
        "status_code": each.status or 0,
        "event": each.event,
        "action": each.action or None,
        "installation_id": None,
        "repository_id": None,
    }


def redeliver(call: Call) -> Reply:
    _app_only(call)
    for each in call.hub.webhooks.log:
        if each.number == call.number("delivery_id"):
            call.hub.webhooks.redeliver(each)
            return Reply(status=202, data={})
    raise ApiError(404, "Not Found")


def get_installation(call: Call) -> Reply:
    _app_only(call)
    return ok(_installation(call, call.repository))


def _installation(call: Call, repo: Repository) -> dict[str, Any]:
    hub = call.hub
    installation_id = hub.authority.installation_id
    url = f"{call.base}/app/installations/{installation_id}"
    born = repositories.when(repo.created_at)
    return {
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
    ("GET", "/app/installations"): list_installations,
    ("GET", "/installation/repositories"): list_installed,
    ("GET", "/app/hook/deliveries"): list_deliveries,
    ("POST", "/app/hook/deliveries/{delivery_id}/attempts"): redeliver,
    ("GET", f"{REPO}/installation"): get_installation,
    ("GET", f"{REPO}/collaborators/{{username}}/permission"): get_permission,
}
