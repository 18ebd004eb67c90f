"""A repository renamed, an issue moved, locked or deleted, the App uninstalled: in mid-run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bot.standin import Person, Repository, StandIn

BOT = "kernelwright[bot]"
BRANCH = "kernel/1-add-one"
WAIT_S = 60.0


def until(condition: Callable[[], Any], service: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (service.state / "bot.log").read_text()
        time.sleep(0.02)


def ours(repository: Repository, number: int) -> list[str]:
    comments = repository.issues[number].comments
    return [comment.body for comment in comments if comment.user.login == BOT]


def pulls(repository: Repository) -> list[str]:
    return [issue.pull.head_ref for issue in repository.issues.values() if issue.pull]


@pytest.fixture
def under_way(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> Any:
    """A run that works until the event it gives is set."""
    instant, may_end = github.runs.command, threading.Event()

    def slow(job: Any) -> int:
        may_end.wait(WAIT_S)
        return int(instant(job))  # type: ignore[operator, arg-type]

    github.runs.command = slow
    service.start()
    number = mona.open_issue("kernel: add one", issue_body())
    mona.label(number, "kernel-request")
    until(lambda: any("running, budget" in body for body in ours(repository, 1)), service)
    yield may_end
    may_end.set()


def test_a_renamed_repository_is_followed(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    under_way: threading.Event,
) -> None:  # fmt: skip
    for number in range(30):
        mona.comment(1, f"chatter {number}")
    # Ours is beyond the 30 that a list has which lost its query on the way to the new name.
    comments = repository.issues[1].comments
    comments.append(comments.pop(0))
    service.stop()
    mona.rename_repository(f"{repository.name}-renamed")
    service.start()
    under_way.set()
    service.until_idle(requests=1)
    assert pulls(repository) == [BRANCH]
    assert len(repository.runs) == 1
    assert len(live.markers(repository, "progress")) == 1
    (comment,) = ours(repository, 1)
    assert "pull request #2: CORRECT" in comment
    assert len(repository.check_runs) == 1

    # A review there is a round like any other: each file is read at the commit that was asked for.
    mona.review(2, "REQUEST_CHANGES", "Use fewer registers.")
    service.until_idle(requests=2)
    head = repository.git.ref(f"refs/heads/{BRANCH}")
    assert len(repository.git.log("refs/heads/main", head or "")) == 2
    assert github.violations == []


def test_a_transferred_issue_takes_its_comment_along_and_gets_no_other(
    github: StandIn, repository: Repository, mona: Person, service: Any,
    under_way: threading.Event,
) -> None:  # fmt: skip
    elsewhere = github.create_repository(f"{repository.full_name}-target", files={"a": b"a\n"})
    now = mona.transfer_issue(1, elsewhere)
    under_way.set()
    service.until_idle(requests=1)
    assert pulls(repository) == [BRANCH]
    # Its comment has an address that nobody tells us of: it stays as it was.
    (comment,) = ours(elsewhere, now)
    assert "running, budget" in comment
    assert "cannot be shown" in (service.state / "bot.log").read_text()
    assert github.violations == []


@pytest.mark.parametrize("what", ["locked", "deleted"])
def test_an_issue_that_takes_no_comment_stops_no_kernel(
    github: StandIn, repository: Repository, mona: Person, service: Any,
    under_way: threading.Event, what: str,
) -> None:  # fmt: skip
    if what == "deleted":
        mona.delete_issue(1)
    else:
        mona.lock(1)
    under_way.set()
    service.until_idle(requests=1)
    assert pulls(repository) == [BRANCH]
    if what == "locked":
        (comment,) = ours(repository, 1)
        assert "pull request #2: CORRECT" in comment
    else:
        assert "cannot be shown" in (service.state / "bot.log").read_text()
    assert github.violations == []


def test_an_app_that_is_uninstalled_ends_the_request_in_the_log(
    github: StandIn, repository: Repository, service: Any, under_way: threading.Event
) -> None:
    github.hub.authority.is_installed = False
    try:
        under_way.set()
        service.until_idle(requests=1)
    finally:
        github.hub.authority.is_installed = True
    assert pulls(repository) == []
    # Nobody is left to be told; a restart does not begin on it again.
    log = service.state / "bot.log"
    assert "ended by a step that failed" in log.read_text()
    service.stop()
    service.start()
    service.until_idle(requests=1)
    assert pulls(repository) == []
    assert len(repository.runs) == 1
