"""Live progress end to end: a job with its own token, over HTTP, into the progress comment."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from bot.handlers import REQUEST_LABEL
from bot.standin import Job, Person, Repository, StandIn
from runner.contract import Attempt, Evaluation, EvaluationStatus, TokenUsage
from runner.job_token import JobToken
from runner.journal import AttemptFinished
from runner.progress_post import ProgressPost
from runner.progress_tally import Tally
from runner.run_progress import RunProgress
from runner.settings import ProgressSettings, read_settings

WAIT_S = 60.0


def failed_attempt(index: int) -> AttemptFinished:
    evaluation = Evaluation(
        status=EvaluationStatus.COMPILE_ERROR,
        candidate_sha256="0" * 64,
        device="cpu",
        stage="compile",
        summary="does not compile",
    )
    attempt = Attempt(
        index=index, phase="explore", evaluation=evaluation, tokens=TokenUsage(),
        model_s=1.0, verifier_s=1.0, kept=False,
    )  # fmt: skip
    return AttemptFinished(at_s=float(index), attempt=attempt)


class TellingJob:
    """A job in place of the runner's: it posts as the runner does, and ends when it may."""

    def __init__(self, instant: Callable[[Job], int]) -> None:
        self.instant = instant
        self.may_end = threading.Event()
        self.posting = threading.Event()
        self.log = io.StringIO()
        self.settings: ProgressSettings | None = None
        self.post: ProgressPost | None = None

    def __call__(self, job: Job) -> int:
        self.settings = read_settings(job.env).progress
        assert self.settings is not None
        began_s = time.monotonic()
        tally = Tally(job.inputs["request_id"])
        self.post = ProgressPost(
            self.settings, tally, at_s=lambda: time.monotonic() - began_s,
            left_s=lambda: 600.0, log=self.log, interval_s=0.05,
        )  # fmt: skip
        self.posting.set()
        self.may_end.wait(WAIT_S)
        self.post.close()
        return self.instant(job)

    def tells(self, attempt: int) -> None:
        assert self.posting.wait(WAIT_S)
        assert self.post is not None
        self.post(failed_attempt(attempt))


@pytest.fixture
def telling(github: StandIn, repository: Repository, service: Any) -> TellingJob:
    repository.variables["KERNELWRIGHT_PROGRESS_URL"] = f"http://127.0.0.1:{service.port}/progress"
    job = TellingJob(github.runs.command)  # type: ignore[arg-type]
    github.runs.command = job
    return job


def ask(person: Person, body: str) -> int:
    number = person.open_issue("kernel: add one", body)
    person.label(number, REQUEST_LABEL)
    return number


def comment_says(repository: Repository, number: int, text: str) -> bool:
    return any(text in comment.body for comment in repository.issues[number].comments)


def until(condition: Callable[[], Any], state: Path) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (state / "bot.log").read_text()
        time.sleep(0.02)


def test_a_run_tells_of_itself_also_after_the_service_was_killed(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any, telling: TellingJob,
) -> None:  # fmt: skip
    service.start()
    number = ask(mona, issue_body())
    telling.tells(1)
    until(lambda: comment_says(repository, number, "1 attempt, 0 passed"), service.state)
    assert service.stop() == -9
    telling.tells(2)
    service.start()
    telling.tells(3)
    until(lambda: comment_says(repository, number, "3 attempts, 0 passed"), service.state)
    telling.may_end.set()
    service.until_idle(requests=1)

    assert len(live.markers(repository, "progress")) == 1
    assert comment_says(repository, number, "ended, less than a minute after it was started")
    assert not comment_says(repository, number, "attempts")
    # While the service was down nothing could be posted, and that was said once.
    assert len(telling.log.getvalue().splitlines()) == 1
    assert github.violations == []


def test_the_job_of_another_repository_cannot_speak_for_a_request(
    github: StandIn, repository: Repository, mona: Person, service: Any,
    issue_body: Any, telling: TellingJob,
) -> None:  # fmt: skip
    service.start()
    number = ask(mona, issue_body())
    telling.tells(1)
    until(lambda: comment_says(repository, number, "1 attempt, 0 passed"), service.state)
    (run,) = repository.runs
    eves = github.create_repository("eve/kernels", files={"README.md": b"#\n"})
    secret = github.issuer.admit(eves, run)
    assert telling.settings is not None
    token = JobToken(
        ProgressSettings(
            url=telling.settings.url, audience="kernelwright",
            token_request_url=secret["ACTIONS_ID_TOKEN_REQUEST_URL"],
            token_request_token=secret["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
        )
    )()  # fmt: skip
    lie = RunProgress(
        request_id=run.inputs["request_id"], at_s=1000.0, phase="final",
        attempts=99, passed=99, left_s=0.0,
    )  # fmt: skip
    answer = httpx.post(
        telling.settings.url, content=lie.model_dump_json(),
        headers={"Authorization": f"Bearer {token}"}, trust_env=False,
    )  # fmt: skip

    assert (answer.status_code, answer.json()) == (
        403, {"error": "the token is of another repository"},
    )  # fmt: skip
    telling.may_end.set()
    service.until_idle(requests=1)
    assert not comment_says(repository, number, "99 attempts")


def test_the_secret_of_a_job_ends_with_the_job(
    github: StandIn, repository: Repository, mona: Person, service: Any,
    issue_body: Any, telling: TellingJob,
) -> None:  # fmt: skip
    service.start()
    telling.may_end.set()
    ask(mona, issue_body())
    service.until_idle(requests=1)
    assert telling.settings is not None
    with pytest.raises(ValueError, match="status 401"):
        JobToken(telling.settings)()
