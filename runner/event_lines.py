"""What a person reads of a run: each event that matters as one line, fit for a terminal.

Owns the words and their cleaning. Draws nothing and remembers nothing.
"""

from __future__ import annotations

from runner.contract import Attempt, Budget
from runner.journal import (
    Event,
    FinalVerdict,
    ModelFailed,
    RunEnded,
    RunResumed,
    RunStarted,
    TuneFinished,
    TuneSkipped,
)
from runner.one_line import one_line

SUMMARY_CHARS = 100


def headline(event: RunStarted) -> str:
    """Problem, model, budget and sandbox on one line."""
    return (
        f"{event.problem}: model {one_line(event.model)}, budget {budget_text(event.budget)}, "
        f"sandbox {event.environment.sandbox}"
    )


def event_line(event: Event) -> str | None:
    """A rare event on one line; None for those that happen all the time."""
    line: str | None = None
    if isinstance(event, RunStarted):
        line = headline(event)
    elif isinstance(event, RunResumed):
        line = f"resumed after {clock_text(event.at_s)} of {budget_text(event.budget)}"
    elif isinstance(event, ModelFailed):
        what = "its stream gives up" if event.gives_up else "asking again"
        reason = one_line(event.reason, SUMMARY_CHARS)
        line = f"attempt {event.attempt}: no answer, {what}: {reason}"
    elif isinstance(event, TuneFinished):
        counts = f"{event.tried} configurations, {event.timed} timed, {event.tune_s:.0f} s"
        line = f"tuned attempt {event.of}: {one_line(event.note, SUMMARY_CHARS)} ({counts})"
    elif isinstance(event, TuneSkipped):
        line = f"attempt {event.of} could be tuned, but {one_line(event.reason)}"
    elif isinstance(event, FinalVerdict):
        line = final_line(event)
    elif isinstance(event, RunEnded):
        line = closing_line(event)
    return line


def attempt_line(attempt: Attempt) -> str:
    """Number, verdict, phase and summary on one line."""
    return (
        f"attempt {attempt.index}  {attempt.evaluation.status}  {attempt.phase}  "
        f"{summary_of(attempt)}"
    )


def budget_text(budget: Budget) -> str:
    """What a run may spend: the time, and the streams where there are several."""
    streams = f" with {budget.streams} streams" if (budget.streams or 1) > 1 else ""
    return f"{clock_text(budget.wall_clock_s)}{streams}"


def final_line(event: FinalVerdict) -> str:
    """The final verdict on one line."""
    return (
        f"final verdict on attempt {event.attempt}: {event.evaluation.status}, "
        f"{one_line(event.evaluation.summary, SUMMARY_CHARS)}"
    )


def closing_line(event: RunEnded) -> str:
    """How the run ended, on one line."""
    best = (
        "no kernel passed" if event.best_attempt is None else f"best: attempt {event.best_attempt}"
    )
    seconds = f"{event.at_s:.1f} s"
    return f"{event.outcome} after {seconds}: {best} ({one_line(event.stopped_because)})"


def summary_of(attempt: Attempt) -> str:
    """The verdict's summary, short and fit for a terminal."""
    return one_line(attempt.evaluation.summary, SUMMARY_CHARS)


def clock_text(seconds: float) -> str:
    """Seconds as m:ss."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
