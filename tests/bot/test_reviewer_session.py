"""A reviewer's session from the request to the closed pull request, with the live service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bot.standin import Inline, Person, Repository, StandIn
from runner.contract import KernelRequest

BOT = "kernelwright[bot]"
LABEL = "kernel-request"
BRANCH = "kernel/1-add-one"
KERNEL = "problems/add_one/kernel.py"
WAIT_S = 30.0


def said(repository: Repository, number: int) -> str:
    comments = repository.issues[number].comments
    return "\n\n".join(comment.body for comment in comments if comment.user.login == BOT)


def labels(repository: Repository, number: int) -> list[str]:
    return [label.name for label in repository.issues[number].labels]


def until(condition: Callable[[], Any], service: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (service.state / "bot.log").read_text()
        time.sleep(0.03)


def request_of(repository: Repository, index: int) -> KernelRequest:
    return KernelRequest.model_validate_json(repository.runs[index].inputs["request"])


@pytest.fixture
def held(github: StandIn) -> threading.Event:
    """Runs wait for this, or until they are cancelled: then they hand back their best so far."""
    instant, may_end = github.runs.command, threading.Event()

    def slow(job: Any) -> int:
        while not may_end.is_set() and not job.cancelled.is_set():
            time.sleep(0.01)
        return int(instant(job))

    github.runs.command = slow
    return may_end


def test_a_reviewer_session_from_request_to_closed_pull_request(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any,
) -> None:  # fmt: skip
    git = repository.git

    def commits() -> list[str]:
        head = git.ref(f"refs/heads/{BRANCH}")
        assert head is not None
        return list(git.log("refs/heads/main", head))

    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    service.until_idle(requests=1)
    pull = live.pull_number(repository)
    assert len(commits()) == 1
    assert labels(repository, issue) == [LABEL, f"{LABEL}:done"]

    lines = [
        Inline(path=KERNEL, line=1, body="Say what it computes."),
        Inline(path="problems/add_one/reference.py", line=1, body="As here."),
    ]
    mona.review(pull, "REQUEST_CHANGES", "Two remarks.", lines)
    service.until_idle(requests=2)
    feedback = request_of(repository, 1).feedback
    assert feedback is not None
    assert [comment.body for comment in feedback.comments] == [each.body for each in lines]
    assert len(commits()) == 2
    # The second commit answers them by name, beside the code.
    assert "Say what it computes." in said(repository, pull)
    assert "As here." in said(repository, pull)

    mona.comment(pull, "/regenerate use fewer registers")
    service.until_idle(requests=3)
    feedback = request_of(repository, 2).feedback
    assert feedback is not None
    assert feedback.text == "use fewer registers"
    assert len(commits()) == 3

    mine = mona.push_commit(BRANCH, {KERNEL: b"mine = 1\n"}, "Tune by hand")
    mona.comment(pull, "/regenerate once more")
    service.until_idle(requests=4)
    assert git.ref(f"refs/heads/{BRANCH}") == mine
    assert "commits that are not mine" in said(repository, pull)
    assert len(repository.runs) == 3

    mona.close(pull)
    mona.comment(pull, "/regenerate and again")
    # Its request is on its way: a label that comes before its end is told to wait.
    service.until_idle(requests=5)
    mona.unlabel(issue, LABEL)
    mona.label(issue, LABEL)
    service.until_idle(requests=6)
    assert repository.issues[pull].state == "closed"
    assert len([one for one in repository.issues.values() if one.pull]) == 1
    assert len(repository.runs) == 3
    assert "stays closed" in said(repository, issue)
    assert github.violations == []


def test_cancel_delivers_the_best_so_far(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any, held: threading.Event,
) -> None:  # fmt: skip
    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    until(lambda: "running, budget" in said(repository, issue), service)
    assert labels(repository, issue) == [LABEL, f"{LABEL}:running"]
    mona.comment(issue, "/status")
    until(lambda: live.markers(repository, "status"), service)
    mona.comment(issue, "/cancel")
    service.until_idle(requests=1)
    assert git_head(repository) is not None
    assert len(live.markers(repository, "status")) == 1
    assert github.violations == []


def git_head(repository: Repository) -> str | None:
    return repository.git.ref(f"refs/heads/{BRANCH}")


def test_newer_words_supersede_the_run_and_both_are_answered(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any, held: threading.Event,
) -> None:  # fmt: skip
    held.set()
    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    service.until_idle(requests=1)
    held.clear()
    pull = live.pull_number(repository)
    mona.comment(pull, "/regenerate use fewer registers")
    until(lambda: len(repository.runs) == 2, service)
    mona.comment(pull, "/regenerate and shorter names")
    until(lambda: len(repository.runs) == 3, service)
    held.set()
    service.until_idle(requests=3)
    assert repository.runs[1].conclusion == "cancelled"
    feedback = request_of(repository, 2).feedback
    assert feedback is not None
    assert "use fewer registers" in feedback.text
    assert "and shorter names" in feedback.text
    head = git_head(repository)
    assert head is not None
    assert len(repository.git.log("refs/heads/main", head)) == 2
    assert "in favour of newer words by `mona`" in said(repository, pull)


def test_words_that_wait_for_an_older_run_keep_nobody_else_waiting(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any,
) -> None:  # fmt: skip
    instant, may_end = github.runs.command, threading.Event()
    service.environment["KERNELWRIGHT_DELIVERIES_AT_ONCE"] = "1"
    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    service.until_idle(requests=1)
    pull = live.pull_number(repository)
    # A run that takes its time to stop.
    github.runs.command = lambda job: int(may_end.wait(WAIT_S) and instant(job))
    mona.comment(pull, "/regenerate use fewer registers")
    until(lambda: len(repository.runs) == 2, service)
    mona.comment(pull, "/regenerate and shorter names")
    mona.comment(pull, "/status")
    until(lambda: live.markers(repository, "status"), service)
    assert len(repository.runs) == 2
    may_end.set()
    service.until_idle(requests=3)
    assert github.violations == []


def test_two_reviews_within_the_window_are_one_commit(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any,
) -> None:  # fmt: skip
    service.environment["KERNELWRIGHT_REVIEW_WINDOW_S"] = "1.5"
    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    service.until_idle(requests=1)
    pull = live.pull_number(repository)
    hubot = github.person("hubot", repository, "write")
    mona.review(pull, "REQUEST_CHANGES", "Fewer registers.")
    hubot.review(pull, "REQUEST_CHANGES", "Shorter names.")
    service.until_idle(requests=2)
    feedback = request_of(repository, 1).feedback
    assert feedback is not None
    assert "Fewer registers." in feedback.text
    assert "Shorter names." in feedback.text
    assert len(repository.runs) == 2


@pytest.mark.parametrize("how", ["redelivered", "missed"])
def test_a_label_that_did_not_arrive_is_found(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any, how: str
) -> None:
    service.environment["KERNELWRIGHT_RECONCILE_INTERVAL_S"] = "1"
    url = github.webhook_url
    if how == "redelivered":
        github.webhook_url = "http://127.0.0.1:9/webhook"  # nobody listens there
    else:
        github.faults.lose("issues.labeled")
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    until(lambda: all(each.done.is_set() for each in github.deliveries), service)
    if how == "missed":
        # Beyond GitHub's own memory: only the issue's events know.
        github.hub.webhooks.log.clear()
    github.webhook_url = url
    service.start()
    until(lambda: git_head(repository) is not None, service)
    until(lambda: f"{LABEL}:done" in labels(repository, issue), service)
    assert len(repository.runs) == 1
    assert github.violations == []


def test_verify_dispatches_for_the_head(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any,
) -> None:  # fmt: skip
    service.start()
    issue = mona.open_issue("kernel: add one", issue_body())
    mona.label(issue, LABEL)
    service.until_idle(requests=1)
    pull = live.pull_number(repository)
    mona.comment(pull, "/verify")
    # This repository lacks the workflow, which is said.
    until(lambda: "verify.yml" in said(repository, pull), service)
    assert len(repository.runs) == 1
