"""Starting and watching the run of a request in GitHub Actions.

Owns 'one run a request': a dispatch has no idempotency key, so the run is looked for by the request
id in its title before one is started, and again where the answer to the dispatch was lost.
"""

from __future__ import annotations

import logging

from bot.errors import GitHubError, GitHubUnavailable, UserError
from bot.github_api import GitHub, Run
from bot.messages import comments as say
from bot.preparation import dispatch_inputs
from bot.records import Dispatched, Job, Prepared, Queue, RunState
from bot.tools import Tools
from runner.contract import KernelRequest

log = logging.getLogger(__name__)
WORKFLOW = "generate.yml"
_LOOK_INTERVAL_S = 2.0
# Longer between check and dispatch: this is a repetition, and a run may be on its way to the list.
_REPETITION_S = 2.0


def ensure_dispatched(github: GitHub, tools: Tools, job: Job, prepared: Prepared) -> Dispatched:
    """The request's run, started unless it is there. Raises UserError where GitHub refuses."""
    try:
        run = _find_or_start(github, tools, prepared)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        raise UserError(say.dispatch_failed(str(error), job)) from error
    ref = prepared.workflow_ref or github.default_branch()
    return Dispatched(
        run_id=run.id,
        run_url=run.url,
        at_s=tools.now_s(),
        attempt=run.attempt,
        repository_id=run.repository_id,
        workflow_ref=f".github/workflows/{WORKFLOW}@refs/heads/{ref}",
    )


def _find_or_start(github: GitHub, tools: Tools, prepared: Prepared) -> Run:
    request = prepared.accepted()
    run = github.find_run(WORKFLOW, request.request_id)
    if run is None and tools.now_s() - prepared.at_s > _REPETITION_S:
        run = _wait_for_run(github, tools, request.request_id)
    if run is not None:
        return run
    return _start(github, tools, request, prepared.workflow_ref or github.default_branch())


def _start(github: GitHub, tools: Tools, request: KernelRequest, ref: str) -> Run:
    try:
        run_id = github.dispatch(WORKFLOW, ref, dispatch_inputs(request))
    except GitHubUnavailable:
        # It may have landed all the same. The step repeats, and looks first.
        _wait_for_run(github, tools, request.request_id)
        raise
    if run_id is not None:
        return github.run(run_id)
    run = _wait_for_run(github, tools, request.request_id)
    if run is None:
        raise GitHubUnavailable(0, "the dispatched run is not in GitHub's list yet")
    return run


def _wait_for_run(github: GitHub, tools: Tools, request_id: str) -> Run | None:
    """The run as soon as GitHub lists it; None after the grace time."""
    deadline_s = tools.now_s() + tools.run_lookup_grace_s
    while True:
        run = github.find_run(WORKFLOW, request_id)
        if run is not None or tools.now_s() >= deadline_s:
            return run
        tools.sleep(min(_LOOK_INTERVAL_S, max(0.0, deadline_s - tools.now_s())))


def look_at(github: GitHub, tools: Tools, run_id: int) -> RunState:
    """What GitHub says of the run now; never what a webhook claimed."""
    run = github.run(run_id)
    return RunState(
        status=run.status, conclusion=run.conclusion, attempt=run.attempt, at_s=tools.now_s()
    )


def look_at_queue(github: GitHub, run_id: int) -> Queue:
    """The run's place in the queue. Only shown, so that no error of GitHub's may end a request."""
    try:
        return Queue(ahead=github.runs_ahead(WORKFLOW, run_id))
    except GitHubError as error:
        log.warning("the queue before run %d cannot be seen: %s", run_id, error)
        return Queue(ahead=None)
