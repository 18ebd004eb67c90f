"""SIGKILL at every durable step, with every fault of GitHub's: one of everything in the end.

The default suite plays each step and each fault at least once; `-m matrix` plays them all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bot.standin import Person, Repository, StandIn
from bot.workflow import STEPS

BRANCH = "kernel/1-add-one"
ROUND = ("read_opening", "choose", *(name for name in STEPS if name != "say_outcome"))
MOMENTS = tuple(itertools.product(ROUND, ("before", "after")))
REPO = "/repos/{owner}/{repo}"
WRITES = (
    ("POST", f"{REPO}/issues/{{issue_number}}/reactions"),
    ("POST", f"{REPO}/issues/{{issue_number}}/comments"),
    ("PATCH", f"{REPO}/issues/comments/{{comment_id}}"),
    ("POST", f"{REPO}/actions/workflows/{{workflow_id}}/dispatches"),
    ("POST", f"{REPO}/git/blobs"),
    ("POST", f"{REPO}/git/trees"),
    ("POST", f"{REPO}/git/commits"),
    ("POST", f"{REPO}/git/refs"),
    ("POST", f"{REPO}/pulls"),
    ("POST", f"{REPO}/check-runs"),
)
READS = (
    ("GET", f"{REPO}/issues/{{issue_number}}"),
    ("GET", f"{REPO}/issues/{{issue_number}}/comments"),
    ("GET", f"{REPO}/actions/runs/{{run_id}}"),
    ("GET", f"{REPO}/pulls"),
)
LABELLED, RUN_ENDED = "issues.labeled", "workflow_run.completed"
AT_ONCE = {"retry-after": "0"}


def lost_answers(github: StandIn) -> None:
    """Every kind of write once answered with 502 although it landed."""
    for write in WRITES:
        github.faults.lose_answer(*write)


def refused_writes(github: StandIn) -> None:
    """Every kind of write once answered with 502 and not done."""
    for write in WRITES:
        github.faults.answer(*write, 502)


def secondary_limit(github: StandIn) -> None:
    for write in WRITES:
        message = "You have exceeded a secondary rate limit"
        github.faults.answer(*write, 403, message, AT_ONCE)


def too_many_requests(github: StandIn) -> None:
    for call in (*WRITES, *READS):
        github.faults.answer(*call, 429, "Too many requests", AT_ONCE)


def unknown_tree(github: StandIn) -> None:
    for _ in range(2):
        github.faults.answer("POST", f"{REPO}/git/commits", 422, "Tree SHA does not exist")


def stale_lists(github: StandIn) -> None:
    github.faults.list_late(LATE_S)


def dropped(github: StandIn) -> None:
    github.faults.lose(RUN_ENDED)
    github.faults.lose("workflow_run.in_progress")


def doubled(github: StandIn) -> None:
    github.faults.deliver_twice(LABELLED)
    github.faults.deliver_twice(RUN_ENDED)


def reordered(github: StandIn) -> None:
    github.faults.deliver_late("workflow_run.in_progress")


def ancient(github: StandIn) -> None:
    """Everything that was delivered arrives once more, long after all is over."""


LATE_S = 0.4
FAULTS: tuple[Callable[[StandIn], None], ...] = (
    lost_answers,
    refused_writes,
    secondary_limit,
    too_many_requests,
    unknown_tree,
    stale_lists,
    dropped,
    doubled,
    reordered,
    ancient,
)
ALL = tuple(itertools.product(MOMENTS, FAULTS))
# Each step once, before and after it and the faults in turn.
DIAGONAL = tuple(
    ((step, ("before", "after")[number % 2]), FAULTS[number % len(FAULTS)])
    for number, step in enumerate(ROUND)
)


def name_of(value: Any) -> str:
    return value.__name__ if callable(value) else "-".join(value)


@pytest.fixture(autouse=True)
def no_fault_is_left(github: StandIn) -> Any:
    yield
    github.faults.forget()


def assert_made_once(github: StandIn, repository: Repository, live: ModuleType) -> None:
    pulls = [issue.pull for issue in repository.issues.values() if issue.pull]
    assert [pull.head_ref for pull in pulls] == [BRANCH]
    git = repository.git
    head = git.ref(f"refs/heads/{BRANCH}")
    assert head is not None
    assert len(git.log("refs/heads/main", head)) == 1
    assert len(repository.runs) == 1
    assert len(live.markers(repository, "progress")) == 1
    assert live.markers(repository, "outcome") == []
    assert live.markers(repository, "reply") == []
    assert [check.head_sha for check in repository.check_runs] == [head]
    assert [reaction.content for reaction in repository.issues[1].reactions] == ["eyes"]
    assert github.violations == []


def again_deliver_all(github: StandIn, repository: Repository) -> None:
    for delivery in list(github.hub.webhooks.log):
        if delivery.payload["repository"]["full_name"] == repository.full_name:
            github.redeliver(delivery)
            assert delivery.done.wait(20)


def kill_and_recover(
    moment: tuple[str, str], fault: Callable[[StandIn], None], stage: Any, body: str
) -> None:
    github, repository, mona, service, live = stage
    if fault is stale_lists:
        service.environment["KERNELWRIGHT_RUN_LOOKUP_GRACE_S"] = str(LATE_S + 0.1)
    step, when = moment
    service.start(kill=(when, step))
    fault(github)
    mona.label(mona.open_issue("kernel: add one", body), "kernel-request")
    assert service.wait() == -9
    service.start()
    service.until_idle(requests=1)
    if fault is ancient:
        again_deliver_all(github, repository)
        service.until_idle(requests=1)
    assert_made_once(github, repository, live)


@pytest.fixture
def stage(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType
) -> Any:
    return github, repository, mona, service, live


@pytest.mark.parametrize(("moment", "fault"), DIAGONAL, ids=name_of)
def test_one_of_everything(stage: Any, issue_body: Any, moment: Any, fault: Any) -> None:
    kill_and_recover(moment, fault, stage, issue_body())


@pytest.mark.matrix
@pytest.mark.parametrize(("moment", "fault"), ALL, ids=name_of)
def test_one_of_everything_in_the_whole_matrix(
    stage: Any, issue_body: Any, moment: Any, fault: Any
) -> None:
    kill_and_recover(moment, fault, stage, issue_body())
