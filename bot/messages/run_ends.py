"""How a run ends that delivers no kernel, and how to try again. Pure."""

from __future__ import annotations

from bot.messages.comments import again
from bot.messages.markdown import clip, code, fence, paragraphs, tables
from bot.messages.run_facts import nearest_miss
from bot.records import Job, Regenerate
from runner.contract import ResultBundle


def run_failed(conclusion: str, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) ended as {code(conclusion)} and handed back no kernel. Its log says "
        f"why. {again(job)}"
    )


def run_too_late(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) has not ended within {deadline_s / 3600:g} hours, so I stopped "
        f"waiting. Is a self-hosted runner with the label `gpu` online? {again(job)}"
    )


def run_overdue(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) started and has not ended within {deadline_s / 3600:g} hours, so I "
        f"cancelled it. Its machine may have been lost. {again(job)}"
    )


def not_stopped(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) was asked to stop and has not within {deadline_s / 60:g} minutes, "
        f"so I stopped waiting; whatever it still hands back is not used. {again(job)}"
    )


def cancelled(by: str, run_url: str, job: Job) -> str:
    return (
        f"Cancelled, as {code(by)} asked. The [run]({run_url}) had no kernel to hand back. "
        f"{again(job)}"
    )


def cancelled_before_run(by: str, job: Job) -> str:
    return f"Cancelled, as {code(by)} asked, before a run was started. {again(job)}"


def superseded(by: str) -> str:
    return (
        f"Stopped in favour of newer words by {code(by)}. What was asked here is part of that next "
        "round, so nothing is lost."
    )


def bundle_refused(reason: str, run_url: str, job: Job) -> str:
    return paragraphs(
        f"The [run]({run_url}) succeeded, but what it handed back failed its checks, so nothing "
        "was committed and no pull request was opened or changed:",
        fence(reason, limit=2000),
        again(job),
    )


def unsolved(manifest: ResultBundle, run_url: str, job: Job) -> str:
    """No attempt passed. Every attempt with its verdict."""
    cells = [
        [str(attempt.index), attempt.evaluation.status.value, code(attempt.evaluation.summary)]
        for attempt in manifest.attempts
    ]
    what = "changed nothing" if isinstance(job.cause, Regenerate) else "opened no pull request"
    return clip(
        [
            f"**No kernel passed** in {len(manifest.attempts)} attempts, so I {what}. The "
            f"[run]({run_url}) stopped because: {code(manifest.stopped_because)}.",
            again(job) + " A hint in the spec, a longer budget or clearer guidance may help.",
            nearest_miss(manifest.attempts),
            *tables(["attempt", "verdict", "what was found"], cells),
        ]
    )


def unchanged(run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) came back with the very kernel that is already here, so there is "
        f"nothing to commit. Clearer guidance may help. {again(job)}"
    )
