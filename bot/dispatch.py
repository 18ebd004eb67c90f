"""Starting and watching the run of a request in GitHub Actions.

Owns 'one run a request': a dispatch has no idempotency key, so the run is looked for by the request
id in its title before one is started, and again where the answer to the dispatch was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import GitHubError, GitHubUnavailable, UserError
from bot.github_api import GitHub, Run
from bot.messages import comments as say
from bot.preparation import dispatch_inputs
from bot.records import Dispatched, Job, Prepared, Queue, RunState
from bot.tools import Tools

log = logging.getLogger(__name__)
WORKFLOW = "generate.yml"
_LOOK_INTERVAL_S = 2.0
# Longer between check and dispatch: this is a repetition, and a run may be on its way to the list.
_REPETITION_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to be had: of which workflow, found by which id, with which inputs, on which branch.

    `ref` None is the default branch. `made_s` is the Unix time of the decision to have it.
    """

    workflow: str
    request_id: str
    inputs: dict[str, str]
    ref: str | None = None
    made_s: float | None = None


def ensure_dispatched(github: GitHub, tools: Tools, job: Job, prepared: Prepared) -> Dispatched:
    """The request's run, started unless it is there. Raises UserError where GitHub refuses."""
    request = prepared.accepted()
    order = Order(
        workflow=WORKFLOW,
        request_id=request.request_id,
        inputs=dispatch_inputs(request, job.config.runner_labels),
        ref=prepared.workflow_ref,
        made_s=prepared.at_s,
    )
    return ensure_run(github, tools, order, lambda reason: say.dispatch_failed(reason, job))


def ensure_run(
    github: GitHub, tools: Tools, order: Order, refused: Callable[[str], str]
) -> Dispatched:
    """The run of `order`. Raises UserError with `refused(reason)` where GitHub refuses."""
    try:
        run = _find_or_start(github, tools, order)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        raise UserError(refused(str(error))) from error
    ref = order.ref or github.default_branch()
    return Dispatched(
        run_id=run.id,
        run_url=run.url,
        at_s=tools.now_s(),
        attempt=run.attempt,
        repository_id=run.repository_id,
        workflow_ref=f".github/workflows/{order.workflow}@refs/heads/{ref}",
    )


def _find_or_start(github: GitHub, tools: Tools, order: Order) -> Run:
    run = github.find_run(order.workflow, order.request_id)
    is_repetition = order.made_s is None or tools.now_s() - order.made_s > _REPETITION_S
    if run is None and is_repetition:
        run = _wait_for_run(github, tools, order)
    if run is not None:
        return run
    return _start(github, tools, order)


def _start(github: GitHub, tools: Tools, order: Order) -> Run:
    ref = order.ref or github.default_branch()
    try:
        run_id = github.dispatch(order.workflow, ref, order.inputs)
    except GitHubUnavailable:
        # It may have landed all the same. The step repeats, and looks first.
        _wait_for_run(github, tools, order)
        raise
    if run_id is not None:
        return github.run(run_id)
    run = _wait_for_run(github, tools, order)
    if run is None:
        raise GitHubUnavailable(0, "the dispatched run is not in GitHub's list yet")
    return run


def _wait_for_run(github: GitHub, tools: Tools, order: Order) -> Run | None:
    """The run as soon as GitHub lists it; None after the grace time."""
    deadline_s = tools.now_s() + tools.run_lookup_grace_s
    while True:
        run = github.find_run(order.workflow, order.request_id)
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
        # Ids grow with time; the list itself is in no order that is promised.
        ahead = sum(run.id < run_id for run in github.unfinished_runs(WORKFLOW))
    except GitHubError as error:
        log.warning("the queue before run %d cannot be seen: %s", run_id, error)
        return Queue(ahead=None)
    return Queue(ahead=ahead)
