"""`/cancel`, `/status` and `/verify` on the fake GitHub."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from bot.config import PATH, VerifyConfig
from bot.reception import receive
from bot.records import Asked, Delivery, Ended, Job, Note, Request, Standing
from bot.verdict import parse_verdict
from bot.verification import verification, verification_of
from bot.workflow import generation
from runner.contract import EvaluationStatus, ResultBundle
from runner.run_progress import BestSoFar, RunProgress


def asked(command: Any, thread: int = 7, *, on_pull: bool = False, by: str = "mona") -> Delivery:
    decision = Asked(
        command=command, thread_number=thread, on_pull=on_pull, comment_id=5, sender=by
    )
    return Delivery(
        delivery_id="d-1", repository="octo/kernels", installation_id=1, decision=decision
    )


def test_cancel_tells_the_request_under_way(
    fake: Any, tools: Any, steps: Any, requests: Any
) -> None:
    requests.busy = "kw-00000000000000aa"
    receive(steps, tools, requests, asked("cancel"))
    assert requests.told == [("kw-00000000000000aa", Note(kind="cancel", by="mona"), "d-1-cancel")]
    assert "I asked `kw-00000000000000aa` to stop" in fake.said(7)
    assert ("comment", 5, "eyes") in fake.reactions


def test_cancel_without_a_run_says_so(fake: Any, tools: Any, steps: Any, requests: Any) -> None:
    receive(steps, tools, requests, asked("cancel"))
    assert requests.told == []
    assert "nothing to cancel" in fake.said(7)


@pytest.mark.parametrize("command", ["cancel", "verify"])
def test_who_may_not_ask_stops_and_verifies_nothing(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job, command: str
) -> None:
    generation(steps, tools, job)
    requests.busy = "kw-00000000000000aa"
    receive(steps, tools, requests, asked(command, by="eve"))
    assert (requests.told, requests.verified) == ([], [])


def test_status_is_one_comment_that_is_edited(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    opened_s = tools.now_s() - 600
    requests.known[job.request_id] = Request(job=job, opened_s=opened_s, ended=None)
    url = "https://github.example/run"
    requests.standings[job.request_id] = Standing(state="queued", at_s=opened_s + 60, run_url=url)
    receive(steps, tools, requests, asked("status", by="eve"))
    (first,) = fake.comments_with(7, "kernelwright:status")
    assert "waiting for the GPU machine" in first
    assert "under way for 10 min" in first
    assert "in this state for 9 min" in first
    assert url in first
    ended = Ended(end="published", text="", summary="done")
    requests.known[job.request_id] = Request(job=job, opened_s=opened_s, ended=ended)
    receive(steps, tools, requests, asked("status", by="eve"))
    (second,) = fake.comments_with(7, "kernelwright:status")
    assert "done: the kernel is in the pull request" in second


def test_status_says_what_the_run_says_of_itself(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    best = BestSoFar(attempt=3, ratio=1.23, baseline="eager", ratio_low=1.2, ratio_high=1.26)
    said = RunProgress(
        request_id=job.request_id, at_s=60.0, phase="searching", left_s=540.0, attempts=5,
        passed=2, last_status=EvaluationStatus.COMPILE_ERROR, best=best,
    )  # fmt: skip
    requests.known[job.request_id] = Request(job=job, opened_s=tools.now_s(), ended=None)
    standing = Standing(state="running", at_s=tools.now_s(), said=said)
    requests.standings[job.request_id] = Standing.model_validate(standing.model_dump(mode="json"))
    receive(steps, tools, requests, asked("status", by="eve"))
    assert "- searching · 9 min left · 5 attempts, 2 passed" in fake.said(7)
    assert "attempt 3, at its weakest 1.23 times as fast as `eager` [1.2, 1.26]" in fake.said(7)


@pytest.fixture(autouse=True)
def verify_yml(fake: Any) -> None:
    """The repository has the workflow of second verifications."""
    fake.workflows.add("verify.yml")


def verdict_zip(bundles: Any, fake: Any) -> bytes:
    """What `verify.yml` hands back of the kernel on the branch."""
    with zipfile.ZipFile(io.BytesIO(next(iter(fake.runs.values())).artifact)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        rows = [archive.read(name) for name in names if b"request_id" in archive.read(name)]
    best = ResultBundle.model_validate_json(rows[0]).best
    assert best is not None
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        text = json.dumps({"evaluations": [best.model_dump(mode="json")], "environment": None})
        archive.writestr("verdict.json", text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("conclusion", "handed_back", "expected"),
    [
        ("success", True, "success"),
        ("failure", True, "failure"),
        ("success", False, "failure"),
        ("cancelled", False, "failure"),
    ],
)
def test_verify_is_a_run_for_the_head_and_ends_as_a_check_on_it(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job, bundles: Any,
    conclusion: str, handed_back: bool, expected: str,
) -> None:  # fmt: skip
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    data = verdict_zip(bundles, fake) if handed_back else None
    fake.on_dispatch = lambda inputs: ([("queued", None), ("completed", conclusion)], data)
    receive(steps, tools, requests, asked("verify", pull.number, on_pull=True))
    (verify_job,) = requests.verified
    verification(steps, tools, verify_job)
    run = list(fake.runs.values())[-1]
    assert run.inputs == {
        "request_id": verify_job.request_id,
        "head_sha": pull.head_sha,
        "problem": "problems/add_one",
    }
    check = fake.checks[-1][1]
    assert (check.name, check.head_sha) == ("kernelwright / verified again", pull.head_sha)
    assert check.conclusion == expected
    assert len(fake.checks) == 2
    result = "passed" if expected == "success" else "failed"
    counted = f'kernelwright_verifications_total{{result="{result}"}} 1.0\n'
    assert counted in tools.metrics.exposition().decode()


def test_a_verification_runs_where_the_repository_says(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    fake.commit_as("mona", "main", "Set up", {PATH: b"runner_labels: [self-hosted, h100]\n"})
    receive(steps, tools, requests, asked("verify", pull.number, on_pull=True))
    fake.on_dispatch = lambda inputs: ([("completed", "failure")], None)
    verification(steps, tools, requests.verified[0])
    assert list(fake.runs.values())[-1].inputs["runner"] == '["self-hosted", "h100"]'


def test_a_published_head_is_verified_by_itself_unless_the_repository_says_no(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    ended = generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    again = verification_of(job, ended, tools.login)
    assert again is not None
    assert (again.head_sha, again.pull_number) == (pull.head_sha, pull.number)
    assert again.problem == "problems/add_one"
    config = job.config.model_copy(update={"verify": VerifyConfig(automatic=False)})
    assert verification_of(job.model_copy(update={"config": config}), ended, tools.login) is None
    nothing = ended.model_copy(update={"head_sha": None})
    assert verification_of(job, nothing, tools.login) is None


def test_a_repository_without_verify_yml_hears_nothing_of_it(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    ended = generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    fake.workflows.remove("verify.yml")
    said, runs = fake.said(pull.number), len(fake.runs)
    again = verification_of(job, ended, tools.login)
    assert again is not None
    verification(steps, tools, again)
    assert (fake.said(pull.number), len(fake.runs)) == (said, runs)


def test_a_refused_dispatch_of_a_verification_is_said(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    from bot.errors import GitHubError

    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    receive(steps, tools, requests, asked("verify", pull.number, on_pull=True))

    def refuse(name: str) -> None:
        if name == "dispatch":
            raise GitHubError(404, "Not Found")

    fake.before_call = refuse
    verification(steps, tools, requests.verified[0])
    assert "verify.yml" in fake.said(pull.number)


@pytest.mark.parametrize(
    "members",
    [[], [("a.json", b"{}"), ("b.json", b"{}")], [("a.json", b"{"), ], [("a.json", b"[]")],
     [("a.json", b'{"evaluations": [{}]}')], [("a.json", b" " * (5 << 20))]],
    ids=["empty", "two files", "no JSON", "a list", "no evaluation", "bomb"],
)  # fmt: skip
def test_a_verdict_that_cannot_be_read_is_none(members: list[tuple[str, bytes]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    assert parse_verdict(packed.getvalue()) is None
    assert parse_verdict(b"no zip") is None
