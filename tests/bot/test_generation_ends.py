"""The generation workflow on the fake GitHub: every end without a kernel, and what is said."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from bot.errors import GitHubError
from bot.handlers import INVALID_LABEL
from bot.records import Job
from bot.workflow import generation
from runner.contract import KernelRequest

BRANCH = "kernel/7-add-one"


def test_guidance_above_the_dispatch_limit_is_said_with_the_command(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    from bot.github_api import ReviewComment

    generation(steps, tools, job)
    long = ReviewComment(path="problems/add_one/kernel.py", line=1, diff_hunk="", body="x" * 9000)
    fake.reviews[3] = [long] * 40
    cause = second_round().cause.model_copy(update={"review_id": 3})
    second = second_round(cause=cause)
    assert generation(steps, tools, second).end == "invalid"
    assert "/regenerate <guidance>" in fake.said(second.thread_number)
    assert INVALID_LABEL not in fake.issues[7].labels


def test_sender_without_write_permission_is_refused_politely(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    cause = job.cause.model_copy(update={"sender": "eve"})
    ended = generation(steps, tools, job.model_copy(update={"cause": cause}))
    assert ended.end == "refused"
    assert not fake.runs
    assert "write access" in fake.said(7)


def test_spec_faults_are_all_named_in_one_comment_and_labelled(
    fake: Any, tools: Any, steps: Any, job: Job, issue_body: Any
) -> None:
    body = (
        issue_body().replace('dtype = "float32"', 'dtype = "float33"').replace("N = 77", "M = 77")
    )
    fake.open_issue(7, body, ("kernel-request",))
    ended = generation(steps, tools, job)
    assert ended.end == "invalid"
    assert not fake.runs
    (comment,) = fake.comments_with(7, "in the spec.** Nothing was run")
    assert "float33" in comment
    assert "problem.toml, line" in comment
    assert INVALID_LABEL in fake.issues[7].labels


def test_a_request_above_the_dispatch_limit_is_a_fault(
    fake: Any, tools: Any, steps: Any, job: Job, issue_body: Any
) -> None:
    long = "def add_one(x):\n    return x + 1\n" + "# padding\n" * 7000
    fake.open_issue(7, issue_body(reference=long))
    assert generation(steps, tools, job).end == "invalid"
    assert "65535" in fake.said(7)
    assert not fake.runs


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "startup_failure"])
def test_a_run_that_does_not_succeed_is_said_with_link_and_way_on(
    fake: Any, tools: Any, steps: Any, job: Job, conclusion: str
) -> None:
    fake.on_dispatch = lambda inputs: ([("in_progress", None), ("completed", conclusion)], None)
    ended = generation(steps, tools, job)
    assert ended.end == "failed"
    assert ended.dispatched
    assert conclusion in fake.said(7)
    assert "/actions/runs/" in fake.said(7)
    assert "add it again" in fake.said(7)
    assert BRANCH not in fake.branches


def test_a_run_that_never_ends_is_given_up_at_the_deadline(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    fake.on_dispatch = lambda inputs: ([("queued", None)], None)
    assert generation(steps, tools, job).end == "failed"
    assert "has not ended within 1 hours" in fake.said(7)


def _zip(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize(
    "artifact",
    [
        None,
        b"no zip",
        b"x" * (17 << 20),
        _zip("../../etc/passwd", b"root"),
        _zip("manifest.json", b" " * (1 << 28)),
    ],
    ids=["none", "bad", "big", "outside", "bomb"],
)
def test_a_bundle_that_fails_its_checks_leaves_no_branch(
    fake: Any, tools: Any, steps: Any, job: Job, artifact: bytes | None
) -> None:
    fake.on_dispatch = lambda inputs: ([("completed", "success")], artifact)
    assert generation(steps, tools, job).end == "failed"
    assert BRANCH not in fake.branches
    assert not fake.pulls
    assert "failed its checks" in fake.said(7)
    assert "/actions/runs/" in fake.said(7)


def test_a_bundle_for_another_request_is_refused(
    fake: Any, tools: Any, steps: Any, job: Job, bundles: Any
) -> None:
    def other(inputs: Any) -> Any:
        request = KernelRequest.model_validate_json(inputs["request"])
        wrong = request.model_copy(update={"request_id": "kw-ffffffffffffffff"})
        return [("completed", "success")], bundles.make_bundle(wrong)

    fake.on_dispatch = other
    assert generation(steps, tools, job).end == "failed"
    assert "kw-ffffffffffffffff" in fake.said(7)
    assert not fake.pulls


def test_an_unsolved_run_shows_its_attempts_and_commits_nothing(
    fake: Any, tools: Any, steps: Any, job: Job, bundles: Any
) -> None:
    def unsolved(inputs: Any) -> Any:
        request = KernelRequest.model_validate_json(inputs["request"])
        return [("completed", "success")], bundles.make_bundle(request, solved=False)

    fake.on_dispatch = unsolved
    assert generation(steps, tools, job).end == "unsolved"
    assert "No kernel passed** in 2 attempts" in fake.said(7)
    assert "REJECTED" in fake.said(7)
    assert BRANCH not in fake.branches


def test_the_same_kernel_again_is_said_and_not_committed(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any, bundles: Any
) -> None:
    generation(steps, tools, job)
    head = fake.branches[BRANCH]
    second = second_round()

    def same(inputs: Any) -> Any:
        request = KernelRequest.model_validate_json(inputs["request"])
        return [("completed", "success")], bundles.make_bundle(
            request, kernel=request.parent_kernel
        )

    fake.on_dispatch = same
    assert generation(steps, tools, second).end == "unsolved"
    assert fake.branches[BRANCH] == head
    assert "the very kernel that is already here" in fake.said(second.thread_number)


def test_a_persons_commit_on_the_branch_stops_the_next_round(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    head = fake.commit_as("mona", BRANCH, "Tune by hand", {"problems/add_one/kernel.py": b"mine\n"})
    runs = len(fake.runs)
    ended = generation(steps, tools, second_round(head_sha=head))
    assert ended.end == "refused"
    assert len(fake.runs) == runs
    assert fake.branches[BRANCH] == head
    assert "commits that are not mine" in fake.said(fake.open_pulls()[0].number)


def test_a_persons_commit_during_the_run_is_not_built_over(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    second = second_round()
    succeed = fake.on_dispatch

    def meddle(inputs: Any) -> Any:
        fake.commit_as("mona", BRANCH, "Tune by hand", {"notes.md": b"mine\n"})
        return succeed(inputs)

    fake.on_dispatch = meddle
    assert generation(steps, tools, second).end == "refused"
    assert fake.history(BRANCH)[0].author_name == "mona"


@pytest.mark.parametrize(("merged", "words"), [(False, "stays closed"), (True, "was merged")])
def test_a_closed_pull_request_stays_closed(
    fake: Any, tools: Any, steps: Any, job: Job, merged: bool, words: str
) -> None:
    generation(steps, tools, job)
    number = fake.open_pulls()[0].number
    fake.close_pull(number, merged=merged)
    again = job.model_copy(update={"request_id": "kw-1111111111111111", "generation": 1})
    assert generation(steps, tools, again).end == "refused"
    assert words in fake.said(7)
    assert len(fake.pulls) == 1


def test_an_open_pull_request_points_to_regenerate(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    generation(steps, tools, job)
    again = job.model_copy(update={"request_id": "kw-1111111111111111", "generation": 1})
    assert generation(steps, tools, again).end == "refused"
    assert "/regenerate" in fake.comments_with(7, "already has a pull request")[0]


def test_a_refused_dispatch_is_said_with_githubs_reason(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    def refuse(name: str) -> None:
        if name == "dispatch":
            raise GitHubError(404, "Not Found")

    fake.before_call = refuse
    ended = generation(steps, tools, job)
    assert (ended.end, ended.dispatched) == ("failed", False)
    assert "generate.yml" in fake.said(7)


def test_an_unexpected_failure_shows_the_request_id_and_nothing_else(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    def explode(name: str) -> None:
        if name == "create_tree":
            raise RuntimeError("secret detail")

    fake.before_call = explode
    assert generation(steps, tools, job).end == "failed"
    assert job.request_id in fake.comments_with(7, "went wrong on my side")[0]
    assert "secret detail" not in fake.said(7)
