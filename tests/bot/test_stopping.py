"""A run that is stopped: by a person, by newer words, by its deadline."""

from __future__ import annotations

from typing import Any

import pytest

from bot.records import Job, Note
from bot.workflow import generation

BRANCH = "kernel/7-add-one"
CANCEL = Note(kind="cancel", by="mona")
SUPERSEDE = Note(kind="supersede", by="hubot")


def keep_running(fake: Any, artifact: bool) -> None:
    """The run goes on until it is cancelled, and hands back its best so far, or nothing."""
    succeed = fake.on_dispatch

    def run(inputs: Any) -> Any:
        return [("in_progress", None)], succeed(inputs)[1] if artifact else None

    fake.on_dispatch = run


def test_a_cancelled_run_delivers_the_best_so_far(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    keep_running(fake, artifact=True)
    steps.notes.append(CANCEL)
    ended = generation(steps, tools, job)
    assert ended.end == "published"
    assert fake.cancelled == list(fake.runs)
    assert len(fake.pulls) == 1
    assert any("stopping, with the best kernel so far" in body for body in fake.edits)


def test_a_cancelled_run_without_a_kernel_ends_and_says_who_asked(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    keep_running(fake, artifact=False)
    steps.notes.append(CANCEL)
    assert generation(steps, tools, job).end == "cancelled"
    assert "Cancelled, as `mona` asked" in fake.said(7)
    assert BRANCH not in fake.branches
    assert fake.issues[7].labels == ("kernel-request", "kernel-request:failed")


def test_a_superseded_run_delivers_nothing_and_says_so(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    head = fake.branches[BRANCH]
    keep_running(fake, artifact=True)
    second = second_round()
    steps.notes.append(SUPERSEDE)
    assert generation(steps, tools, second).end == "superseded"
    assert fake.branches[BRANCH] == head
    assert "in favour of newer words by `hubot`" in fake.said(second.thread_number)
    assert len(fake.cancelled) == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [("queued", "has not ended within 1 hours"), ("in_progress", "started and has not ended")],
)
def test_past_its_deadline_a_run_is_cancelled_and_the_user_told(
    fake: Any, tools: Any, steps: Any, job: Job, state: str, words: str
) -> None:
    fake.on_dispatch = lambda inputs: ([(state, None)], None)
    assert generation(steps, tools, job).end == "failed"
    assert words in fake.said(7)
    assert fake.cancelled == list(fake.runs)


def test_a_run_that_does_not_stop_is_not_waited_for_any_longer(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    keep_running(fake, artifact=True)
    fake.cancel_run = lambda run_id: None
    steps.notes.append(CANCEL)
    assert generation(steps, tools, job).end == "failed"
    assert "asked to stop and has not within 15 minutes" in fake.said(7)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_issue_that_takes_no_comment_does_not_end_the_request(
    fake: Any, tools: Any, steps: Any, job: Job, status: int, caplog: Any
) -> None:
    """Locked, transferred or deleted in mid-run: the kernel goes where it can go."""
    from bot.errors import GitHubError, NotFound

    def closed(name: str) -> None:
        if fake.runs and name in ("edit_comment", "create_comment", "add_label"):
            raise NotFound(404, "Not Found") if status == 404 else GitHubError(status, "closed")

    fake.before_call = closed
    assert generation(steps, tools, job).end == "published"
    assert len(fake.pulls) == 1
    assert "cannot be shown" in caplog.text


def test_a_repository_that_is_gone_ends_the_request_in_the_log(
    fake: Any, tools: Any, steps: Any, job: Job, caplog: Any
) -> None:
    """The App was uninstalled in mid-run: there is nobody left to tell."""
    from bot.errors import NotFound

    def gone(name: str) -> None:
        if fake.runs:
            raise NotFound(404, "Not Found")

    fake.before_call = gone
    assert generation(steps, tools, job).end == "failed"
    assert job.request_id in caplog.text


def test_the_default_branch_may_move_on_during_a_run(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    succeed = fake.on_dispatch

    def move(inputs: Any) -> Any:
        fake.commit_as("mona", "main", "Go on", {"docs.md": b"more\n"})
        return succeed(inputs)

    fake.on_dispatch = move
    assert generation(steps, tools, job).end == "published"
    assert [commit.message for commit in fake.history(BRANCH)][1:] == ["Go on", "Begin"]


def test_a_folder_that_appeared_meanwhile_is_not_written_over(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    succeed = fake.on_dispatch

    def appear(inputs: Any) -> Any:
        fake.commit_as("mona", "main", "Mine", {"problems/add_one/problem.toml": b"mine\n"})
        return succeed(inputs)

    fake.on_dispatch = appear
    assert generation(steps, tools, job).end == "failed"
    assert "`problems/add_one` exists on `main` by now" in fake.said(7)
    assert BRANCH not in fake.branches
