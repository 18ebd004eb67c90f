"""Routes of check runs. Only the App may make them, as on GitHub."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, created, ok
from bot.standin.shapes import actions
from bot.standin.state import CheckRun


def create_check(call: Call) -> Reply:
    repo = call.installation_only()
    head_sha = str(call.field("head_sha"))
    if not repo.git.has(head_sha, "commit"):
        raise ApiError(422, f"No commit found for SHA: {head_sha}")
    check = CheckRun(
        id=call.hub.state.next_id(),
        name=str(call.field("name")),
        head_sha=head_sha,
        started_at=call.hub.state.clock(),
    )
    _apply(call, check)
    repo.check_runs.append(check)
    return created(_shape(call, check))


def update_check(call: Call) -> Reply:
    repo = call.installation_only()
    for check in repo.check_runs:
        if check.id == call.number("check_run_id"):
            _apply(call, check)
            return ok(_shape(call, check))
    raise ApiError(404, "Not Found")


def _apply(call: Call, check: CheckRun) -> None:
    check.name = call.field("name", check.name)
    check.details_url = call.field("details_url", check.details_url)
    check.external_id = call.field("external_id", check.external_id)
    check.status = call.field("status", check.status)
    if call.field("conclusion") is not None:
        check.status, check.conclusion = "completed", call.field("conclusion")
    elif check.status == "completed" and check.conclusion is None:
        raise ApiError(422, "conclusion is required when status is completed")
    if check.status == "completed":
        given = call.field("completed_at")
        check.completed_at = datetime.fromisoformat(given) if given else call.hub.state.clock()
    output: dict[str, Any] = call.field("output", {})
    check.title = output.get("title", check.title)
    check.summary = output.get("summary", check.summary)
    check.text = output.get("text", check.text)


def _shape(call: Call, check: CheckRun) -> dict[str, Any]:
    return actions.check_run(call.base, call.repository, call.hub.app_shape(), check)


def list_checks(call: Call) -> Reply:
    repo, ref = call.repository, call.param("ref")
    shas = {repo.git.ref(f"refs/heads/{ref}"), repo.git.ref(f"refs/{ref}"), ref}
    name = call.ask("check_name")
    found = [c for c in repo.check_runs if c.head_sha in shas and name in ("", c.name)]
    found.reverse()  # newest first
    return call.paged(found, lambda check: _shape(call, check), key="check_runs")


ROUTES: Routes = {
    ("POST", f"{REPO}/check-runs"): create_check,
    ("PATCH", f"{REPO}/check-runs/{{check_run_id}}"): update_check,
    ("GET", f"{REPO}/commits/{{ref}}/check-runs"): list_checks,
}
