"""The generation workflow on the fake GitHub, without a database: the way to a pull request."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.errors import GitHubError, GitHubUnavailable
from bot.handlers import INVALID_LABEL
from bot.records import Job, RunNews
from bot.workflow import STEPS, generation
from runner.contract import KernelRequest
from runner.run_progress import RunProgress

BRANCH = "kernel/7-add-one"


def test_a_labelled_issue_becomes_a_pull_request(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    ended = generation(steps, tools, job)

    assert ended.end == "published"
    (pull, title, body) = next(iter(fake.pulls.values()))
    assert (pull.head_ref, title) == (BRANCH, "kernel: add_one, correct, not timed")
    assert "Closes #7" in body
    assert "not measured: no GPU" in body
    assert [c.author_name for c in fake.history(BRANCH)] == [tools.login, "mona"]
    assert "problems/add_one/kernel.py" in fake.files(BRANCH)
    assert "README.md" in fake.files(BRANCH)
    assert ("issue", 7, "eyes") in fake.reactions
    assert [check.head_sha for _, check in fake.checks] == [fake.branches[BRANCH]]
    assert len(fake.threads[7]) == 1
    assert f"pull request #{pull.number}" in fake.said(7)


def test_every_step_is_named_and_in_order(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    second = type(steps)(tools)
    generation(second, tools, second_round())
    seen = dict.fromkeys([*steps.names, *second.names])
    assert set(seen) - {"clock"} == set(STEPS)
    # The label changes twice, and the clock is read where it is needed.
    order = [STEPS.index(name) for name in steps.names if name not in ("clock", "label_state")]
    assert order == sorted(order)


def test_a_request_that_is_carried_out_twice_makes_nothing_twice(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    """Steps run at least once: a second run of all of them finds what is there."""
    generation(steps, tools, job)
    before = (len(fake.pulls), len(fake.runs), len(fake.threads[7]), len(fake.checks))
    head = fake.branches[BRANCH]
    # A replay after the pull request opened refuses politely instead of opening another one.
    generation(type(steps)(tools), tools, job)
    assert (len(fake.pulls), len(fake.runs), len(fake.checks)) == (before[0], before[1], before[3])
    assert fake.branches[BRANCH] == head


def test_the_progress_comment_goes_through_queued_and_running_to_done(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    succeed = fake.on_dispatch
    waits = [("queued", None), ("queued", None), ("in_progress", None), ("in_progress", None)]
    fake.on_dispatch = lambda inputs: ([*waits, ("completed", "success")], succeed(inputs)[1])
    generation(steps, tools, job)
    queued, running, done = fake.edits
    assert "waiting for the GPU machine, budget 15 min" in queued
    assert "running, budget 15 min" in running
    assert "pull request #" in done
    assert all("/actions/runs/" in body for body in fake.edits)


def test_the_run_is_announced_as_its_tokens_will_name_it(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    generation(steps, tools, job)
    (run,) = steps.announced
    assert run.run_id in fake.runs
    assert (run.attempt, run.repository_id) == (1, None)
    assert run.workflow_ref == ".github/workflows/generate.yml@refs/heads/main"


def test_what_the_run_says_is_shown_while_it_runs_and_gone_at_the_end(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    succeed = fake.on_dispatch
    running = [("in_progress", None)] * 3
    fake.on_dispatch = lambda inputs: ([*running, ("completed", "success")], succeed(inputs)[1])
    progress = RunProgress(
        request_id=job.request_id, at_s=9.0, phase="searching", attempts=12, passed=3, left_s=480.0
    )
    # Nothing is heard at the first two looks, and then the same twice.
    steps.to_hear = [[], [], *[[RunNews(attempt=1, progress=progress)]] * 2]
    generation(steps, tools, job)
    assert [body.count("12 attempts, 3 passed") for body in fake.edits] == [0, 0, 1, 0]
    assert len(fake.threads[7]) == 1


def test_the_place_in_the_queue_is_shown_and_followed(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    succeed = fake.on_dispatch
    fake.on_dispatch = lambda inputs: ([("in_progress", None)], None)
    others = [fake.dispatch("generate.yml", "main", {"request_id": f"other {n}"}) for n in (1, 2)]
    waits = [("pending", None)] * 4
    fake.on_dispatch = lambda inputs: ([*waits, ("completed", "success")], succeed(inputs)[1])
    sleep = tools.sleep

    def other_run_ends(seconds: float) -> None:
        sleep(seconds)
        if others:
            fake.runs[others.pop()].states[:] = [("completed", "success")]

    steps._tools = dataclasses.replace(tools, sleep=other_run_ends)
    generation(steps, tools, job)
    places = [body.partition("budget 15 min, ")[2].partition(", for")[0] for body in fake.edits]
    assert places == ["2 runs before this one", "1 run before this one", "next in the queue", ""]


@pytest.mark.parametrize("error", [GitHubUnavailable(502, "down"), GitHubError(403, "no")])
def test_a_queue_that_cannot_be_seen_ends_no_request(
    fake: Any, tools: Any, steps: Any, job: Job, error: Exception
) -> None:
    def before(name: str) -> None:
        if name == "unfinished_runs":
            raise error

    fake.before_call = before
    assert generation(steps, tools, job).end == "published"
    assert "waiting for the GPU machine, budget 15 min, for less" in fake.edits[0]


def test_a_round_goes_on_where_the_issue_is_gone(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    second = second_round()
    del fake.issues[7]
    assert generation(steps, tools, second).end == "published"


def test_a_second_round_adds_one_commit_and_says_what_changed(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    first_head = fake.branches[BRANCH]
    second = second_round()
    ended = generation(steps, tools, second)

    assert ended.end == "published"
    assert fake.commits[fake.branches[BRANCH]][1] == first_head
    request = KernelRequest.model_validate_json(list(fake.runs.values())[-1].inputs["request"])
    assert request.feedback is not None
    assert request.feedback.text == "use fewer registers"
    assert request.parent_kernel == '"""Kernel of round 0."""\n'
    assert request.parent_head_sha == first_head
    said = fake.said(second.thread_number)
    assert "The kernel has changed" in said
    assert "32 → 31" in said
    assert "use fewer registers" in said
    assert len(fake.pulls) == 1
    assert len(fake.checks) == 2


def test_a_mended_spec_loses_the_invalid_label(
    fake: Any, tools: Any, steps: Any, job: Job, issue_body: Any
) -> None:
    fake.open_issue(7, issue_body(), ("kernel-request", INVALID_LABEL))
    generation(steps, tools, job)
    assert fake.issues[7].labels == ("kernel-request", "kernel-request:done")


def test_a_dispatch_whose_answer_is_lost_is_not_repeated(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    dispatch = type(fake).dispatch
    calls = []

    class Lossy(type(fake)):  # type: ignore[misc]
        def dispatch(self, *arguments: Any) -> int:
            calls.append(arguments)
            dispatch(self, *arguments)
            raise GitHubUnavailable(502, "Bad Gateway")

    fake.__class__ = Lossy
    assert generation(steps, tools, job).end == "published"
    assert len(calls) == len(fake.runs) == 1


def test_an_outage_is_waited_out(fake: Any, tools: Any, steps: Any, job: Job) -> None:
    failures = iter([True, True, False])

    def flicker(name: str) -> None:
        if name == "create_pull" and next(failures, False):
            raise GitHubUnavailable(503, "Unavailable", retry_after_s=5.0)

    fake.before_call = flicker
    started_s = tools.now_s()
    assert generation(steps, tools, job).end == "published"
    assert tools.now_s() - started_s == pytest.approx(10.0)


def test_a_marker_that_somebody_copied_is_not_taken_for_ours(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    from bot.messages.progress import progress_marker

    forged = fake.create_comment(7, progress_marker(job.request_id) + "\nforged")
    fake.threads[7][0] = dataclasses.replace(forged, author="eve")
    generation(steps, tools, job)
    assert fake.threads[7][0].body.endswith("forged")
    assert len(fake.threads[7]) == 2
