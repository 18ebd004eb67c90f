"""The one progress comment of a request, from received to its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from bot.messages.markdown import code, paragraphs
from bot.records import Job
from runner.contract import NOT_MEASURED, ResultBundle
from runner.run_progress import BestSoFar, Phase, RunProgress

Stage = Literal["queued", "running", "cancelling"]
_BEFORE_THE_RUN = {
    "received": "checking permission and spec",
    "gathering": "waiting a minute for further reviews, to answer them together",
}
_PHASES: dict[Phase, str] = {
    "preparing": "preparing the reference and its baselines",
    "searching": "searching",
    "final": "judging the best once more",
    "ended": "handing back the result",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as the comment shows it. `elapsed_s`: waiting or running, whichever `stage` says.

    `ahead`: runs before ours, None where that is not known. `said`: the run's own words.
    """

    stage: Stage
    run_url: str
    budget_s: float
    elapsed_s: float = 0.0
    ahead: int | None = None
    said: RunProgress | None = None

    def without_time(self) -> RunView:
        """The same where time alone makes no difference."""
        said = self.said and self.said.model_copy(update={"at_s": 0.0, "left_s": 0.0})
        return replace(self, elapsed_s=0.0, said=said)


def progress_marker(request_id: str) -> str:
    return f"<!-- kernelwright:progress request_id={request_id} -->"


def progress(job: Job, stage: Literal["received", "gathering"]) -> str:
    """The one progress comment, before there is a run."""
    return _progress(job, [_received(job), ("⏳", _BEFORE_THE_RUN[stage])])


def progress_of_run(job: Job, view: RunView) -> str:
    """The one progress comment, while the run waits or works."""
    rows = [_received(job), ("✅", "permission and spec checked"), ("⏳", _run_row(view))]
    return _progress(job, rows + [("⏳", row) for row in said_rows(view.said)])


def progress_ended(
    job: Job, *, good: bool, summary: str, run_url: str = "", took_s: float | None = None
) -> str:
    """The progress comment at the end. `summary` is one safe line; `took_s` is since dispatch."""
    rows = [_received(job)]
    if run_url:
        after = "" if took_s is None else f", {duration(took_s)} after it was started"
        rows.append(("✅", f"[run]({run_url}) ended{after}"))
    return _progress(job, [*rows, ("✅" if good else "❌", summary)])


def duration(seconds: float) -> str:
    """A time as people say it, to the minute."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def published(number: int, manifest: ResultBundle) -> str:
    """The progress comment's last line for a pull request."""
    timing = "" if manifest.best and manifest.best.performance else f" ({NOT_MEASURED})"
    return f"pull request #{number}: {manifest.outcome.value}{timing}"


def _received(job: Job) -> tuple[str, str]:
    return ("✅", f"received from {code(job.cause.sender)}")


def _run_row(view: RunView) -> str:
    budget = f"budget {view.budget_s / 60:g} min"
    if view.stage == "cancelling":
        return f"[run]({view.run_url}) stopping, with the best kernel so far"
    if view.stage == "running":
        return f"[run]({view.run_url}) running, {budget}, for {duration(view.elapsed_s)}"
    place = "" if view.ahead is None else f", {_place(view.ahead)}"
    waiting = "waiting for the GPU machine"
    return f"[run]({view.run_url}) {waiting}, {budget}{place}, for {duration(view.elapsed_s)}"


def _place(ahead: int) -> str:
    if not ahead:
        return "next in the queue"
    return "1 run before this one" if ahead == 1 else f"{ahead} runs before this one"


def said_rows(said: RunProgress | None) -> list[str]:
    """What the run says of itself. Every name in it is foreign, and the bundle decides."""
    if said is None:
        return []
    parts = [_PHASES[said.phase], f"{duration(said.left_s)} left"]
    if said.attempts:
        tried = "1 attempt" if said.attempts == 1 else f"{said.attempts:,} attempts"
        parts.append(f"{tried}, {said.passed:,} passed")
    if said.last_status is not None:
        parts.append(f"the last: {said.last_status.value}")
    rows = [" · ".join(parts)]
    if said.best is not None:
        rows.append(_best(said.best))
    return rows


def _best(best: BestSoFar) -> str:
    """Said with care: the final verdict, with a new seed, is still to come."""
    head = f"best so far: attempt {best.attempt}"
    if best.ratio is None or best.ratio_low is None or best.ratio_high is None:
        return f"{head}, {NOT_MEASURED}"
    interval = f"[{best.ratio_low:.3g}, {best.ratio_high:.3g}]"
    return (
        f"{head}, at its weakest {best.ratio:.3g} times as fast as "
        f"{code(best.baseline or '')} {interval} (provisional)"
    )


def _progress(job: Job, rows: Iterable[tuple[str, str]]) -> str:
    what = f"Round {job.generation + 1} of the kernel request in #{job.issue_number}"
    lines = "\n".join(f"- {mark} {text}" for mark, text in rows)
    foot = f"<sub>request {code(job.request_id)} · spec {code(job.spec_sha256[:12])}</sub>"
    return paragraphs(f"{progress_marker(job.request_id)}\n**{what}**", lines, foot)
