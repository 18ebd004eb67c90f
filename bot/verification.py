"""The kernel on a pull request's head, judged again by a run of its own: `/verify`, or a new head.

Owns the workflow from the dispatch of `verify.yml` to the check run on that very commit. It changes
no branch and no comment; a run that says nothing in time is a failed check.
"""

from __future__ import annotations

import logging

from bot import checks, dispatch, threads
from bot.errors import UserError
from bot.github_api import GitHub
from bot.messages import asking as say
from bot.messages import comments
from bot.preparation import runner_input
from bot.records import Dispatched, Ended, Job, RunState, VerifyJob
from bot.steps import StepCrashed, Steps
from bot.tools import Tools
from bot.verdict import Verdict, read_verdict
from runner.contract import sha256_hex

log = logging.getLogger(__name__)
WORKFLOW = "verify.yml"
VERIFY_STEPS = (
    "dispatch_verify", "open_check", "look_at_verify", "read_verdict", "close_check",
)  # fmt: skip


def verification_of(job: Job, ended: Ended, login: str) -> VerifyJob | None:
    """What follows from a request that has published a kernel; None where nothing does."""
    number, head_sha, problem = ended.pull_number, ended.head_sha, ended.problem
    if not job.config.verify.automatic or number is None or head_sha is None or problem is None:
        return None
    identity = f"head\0{job.repository.lower()}\0{number}\0{head_sha}"
    return VerifyJob(
        request_id=f"kw-{sha256_hex(identity)[:16]}",
        repository=job.repository,
        installation_id=job.installation_id,
        pull_number=number,
        problem=problem,
        head_sha=head_sha,
        sender=login,
        runner_labels=job.config.runner_labels,
        automatic=True,
    )


def verification(steps: Steps, tools: Tools, job: VerifyJob) -> None:
    """Carry `job` to its check run. What cannot be started is said on the pull request."""

    def github() -> GitHub:
        return tools.github(job.repository, job.installation_id)

    try:
        asked_s = steps.run("clock", tools.now_s, float)
        run = steps.run(
            "dispatch_verify", lambda: _start(github(), tools, job, asked_s), Dispatched
        )
    except (UserError, StepCrashed) as error:
        if job.automatic:
            # Nobody waits for it, and a repository need not have verify.yml.
            log.warning("no verification of %s: %s", job.head_sha, error)
            return
        text = (
            error.text if isinstance(error, UserError) else comments.unexpected_id(job.request_id)
        )
        body = f"{comments.outcome_marker(job.request_id)}\n{text}"
        steps.run(
            "say_outcome",
            lambda: threads.keep_comment(github(), job.pull_number, body, tools.login),
            int,
        )
        return
    steps.do("open_check", lambda: checks.show_again(github(), job, run.run_url, None))
    conclusion = _await(steps, tools, job, run)
    verdict = Verdict(passed=False)
    if conclusion is not None:
        try:
            verdict = steps.run(
                "read_verdict", lambda: read_verdict(github(), job, run, conclusion), Verdict
            )
        except StepCrashed:
            verdict = Verdict(passed=False)
    tools.metrics.verified(passed=verdict.passed)
    steps.do("close_check", lambda: checks.show_again(github(), job, run.run_url, verdict))


def _start(github: GitHub, tools: Tools, job: VerifyJob, asked_s: float) -> Dispatched:
    inputs = {
        "request_id": job.request_id,
        "head_sha": job.head_sha,
        "problem": job.problem,
        **runner_input(job.runner_labels),
    }
    order = dispatch.Order(
        workflow=WORKFLOW, request_id=job.request_id, inputs=inputs, made_s=asked_s
    )
    return dispatch.ensure_run(github, tools, order, say.verify_refused)


def _await(steps: Steps, tools: Tools, job: VerifyJob, run: Dispatched) -> str | None:
    """The run's conclusion; None where it has none in time."""
    while True:
        seen = steps.run(
            "look_at_verify",
            lambda: dispatch.look_at(
                tools.github(job.repository, job.installation_id), tools, run.run_id
            ),
            RunState,
        )
        if seen.status == "completed":
            return seen.conclusion or "unknown"
        if seen.at_s - run.at_s > tools.run_deadline_s:
            return None
        steps.wait(tools.poll_interval_s)
