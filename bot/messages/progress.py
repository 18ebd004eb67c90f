"""The one progress comment of a request, from received to its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bot.messages.markdown import code, paragraphs
from bot.records import Job
from runner.contract import NOT_MEASURED, Budget, ResultBundle

Stage = Literal["received", "gathering", "queued", "running", "cancelling"]

_WAITING: dict[Stage, str] = {
    "queued": "waiting for the GPU machine",
    "running": "running",
    "cancelling": "stopping, with the best kernel so far",
}


def progress_marker(request_id: str) -> str:
    return f"<!-- kernelwright:progress request_id={request_id} -->"


def progress(job: Job, stage: Stage, *, run_url: str = "", budget: Budget | None = None) -> str:
    """The one progress comment, while the request is under way."""
    rows = [("✅", f"received from {code(job.cause.sender)}")]
    if stage == "received":
        rows.append(("⏳", "checking permission and spec"))
    elif stage == "gathering":
        rows.append(("⏳", "waiting a minute for further reviews, to answer them together"))
    else:
        minutes = f", budget {budget.wall_clock_s / 60:g} min" if budget else ""
        waiting = _WAITING[stage]
        rows.append(("✅", "permission and spec checked"))
        rows.append(("⏳", f"[run]({run_url}) {waiting}{minutes}"))
    return _progress(job, rows)


def progress_ended(job: Job, *, good: bool, summary: str, run_url: str = "") -> str:
    """The progress comment at the end. `summary` is one safe line."""
    rows = [("✅", f"received from {code(job.cause.sender)}")]
    if run_url:
        rows.append(("✅", f"[run]({run_url}) ended"))
    return _progress(job, [*rows, ("✅" if good else "❌", summary)])


def _progress(job: Job, rows: Iterable[tuple[str, str]]) -> str:
    what = f"Round {job.generation + 1} of the kernel request in #{job.issue_number}"
    lines = "\n".join(f"- {mark} {text}" for mark, text in rows)
    foot = f"<sub>request {code(job.request_id)} · spec {code(job.spec_sha256[:12])}</sub>"
    return paragraphs(f"{progress_marker(job.request_id)}\n**{what}**", lines, foot)


def published(number: int, manifest: ResultBundle) -> str:
    """The progress comment's last line for a pull request."""
    timing = "" if manifest.best and manifest.best.performance else f" ({NOT_MEASURED})"
    return f"pull request #{number}: {manifest.outcome.value}{timing}"
