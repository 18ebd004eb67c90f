"""Routes of what the App is installed on, and of the runners there."""

from __future__ import annotations

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, ok
from bot.standin.shapes import installations, repositories


def get_meta(_: Call) -> Reply:
    return ok({"verifiable_password_authentication": False})


def list_installations(call: Call) -> Reply:
    """One installation for all repositories, as long as there is any."""
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    repos = list(call.hub.state.repositories.values())[:1]
    return call.paged(
        repos, lambda repo: installations.installation(call.hub, repo.owner, repo.created_at)
    )


def list_repositories(call: Call) -> Reply:
    if call.actor.kind != "installation":
        raise ApiError(403, "You must authenticate with an installation access token")
    repos = list(call.hub.state.repositories.values())
    return call.paged(
        repos, lambda repo: repositories.repository(call.base, repo), key="repositories"
    )


def list_runners(call: Call) -> Reply:
    repo = call.installation_only()
    _require(call, "administration")
    return call.paged(repo.runners, installations.runner, key="runners")


def list_organization_runners(call: Call) -> Reply:
    account = call.hub.state.accounts.get(call.param("org"))
    if account is None or account.kind != "Organization":
        raise ApiError(404, "Not Found")
    _require(call, "organization_self_hosted_runners")
    return call.paged(account.runners, installations.runner, key="runners")


def _require(call: Call, permission: str) -> None:
    if permission not in call.hub.registration.permissions:
        raise ApiError(403, "Resource not accessible by integration")


ROUTES: Routes = {
    ("GET", "/meta"): get_meta,
    ("GET", "/app/installations"): list_installations,
    ("GET", "/installation/repositories"): list_repositories,
    ("GET", f"{REPO}/actions/runners"): list_runners,
    ("GET", "/orgs/{org}/actions/runners"): list_organization_runners,
}
