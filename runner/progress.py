"""Live progress of a run: a table that updates in a terminal, plain lines in a log.

Owns what a person sees while waiting. A listener of the journal's events; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.contract import NOT_MEASURED, Attempt, EvaluationStatus
from runner.journal import (
    AttemptFinished,
    Event,
    FinalVerdict,
    PromptSent,
    RunEnded,
    RunStarted,
)
from runner.one_line import one_line

SUMMARY_CHARS = 100
# A terminal shows the last ones; the journal has them all.
MAX_ROWS = 15


class PlainProgress:
    """One line an event, for a log. `time_left_s` is asked when a line is written."""

    def __init__(self, stream: TextIO, time_left_s: Callable[[], float]) -> None:
        self._stream = stream
        self._time_left_s = time_left_s

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._say(headline(event))
        elif isinstance(event, AttemptFinished):
            attempt = event.attempt
            kept = "  [best so far]" if attempt.kept else ""
            seconds = f"model {attempt.model_s:.1f} s, verifier {attempt.verifier_s:.1f} s"
            self._say(
                f"attempt {attempt.index}  {attempt.evaluation.status}  {attempt.phase}  "
                f"{summary_of(attempt)}{kept}  ({seconds}, {clock_text(self._time_left_s())} left)"
            )
        elif isinstance(event, FinalVerdict):
            self._say(final_line(event))
        elif isinstance(event, RunEnded):
            self._say(closing_line(event))

    def close(self) -> None:
        """Nothing is held."""

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """A table that is redrawn in place. Keeps drawing until `close`."""

    def __init__(self, console: Console, time_left_s: Callable[[], float]) -> None:
        self._time_left_s = time_left_s
        self._headline = ""
        self._attempts: list[Attempt] = []
        self._now = "preparing: sandbox and reference"
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=2, transient=False
        )
        self._live.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._headline = headline(event)
        elif isinstance(event, PromptSent):
            self._now = f"attempt {event.attempt}: {event.phase}, waiting for the model"
        elif isinstance(event, AttemptFinished):
            self._attempts.append(event.attempt)
            self._now = f"attempt {event.attempt.index}: {event.attempt.evaluation.status}"
        elif isinstance(event, FinalVerdict):
            self._now = final_line(event)
        elif isinstance(event, RunEnded):
            self._now = closing_line(event)
        elif event.event == "answer_received":
            self._now = f"attempt {event.attempt}: verifying"

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("attempt", "phase", "status", "seconds", ""):
            table.add_column(title, justify="right" if title == "seconds" else "left")
        for attempt in self._attempts[-MAX_ROWS:]:
            status = attempt.evaluation.status
            style = "green" if status is EvaluationStatus.PASSED else "yellow"
            table.add_row(
                f"{attempt.index}{' *' if attempt.kept else ''}",
                attempt.phase,
                Text(str(status), style=style),
                f"{attempt.model_s + attempt.verifier_s:.1f}",
                # Text, not markup: a verdict may quote the candidate.
                Text(summary_of(attempt)),
            )
        best = next((a.index for a in reversed(self._attempts) if a.kept), None)
        best_text = "none yet" if best is None else f"attempt {best} (*), {NOT_MEASURED}"
        if best is not None and self._attempts[best - 1].evaluation.performance is not None:
            best_text = f"attempt {best} (*)"
        footer = Text(f"best: {best_text}   time left: {clock_text(self._time_left_s())}")
        return Group(Text(self._headline, style="bold"), table, Text(self._now), footer)


Progress = PlainProgress | LiveProgress


def open_progress(stream: TextIO, time_left_s: Callable[[], float]) -> Progress:
    """A live table where `stream` is a terminal, lines elsewhere."""
    if stream.isatty():
        return LiveProgress(Console(file=stream), time_left_s)
    return PlainProgress(stream, time_left_s)


def headline(event: RunStarted) -> str:
    """Problem, model, budget and sandbox on one line."""
    budget = clock_text(event.budget.wall_clock_s)
    return (
        f"{event.problem}: model {one_line(event.model)}, budget {budget}, "
        f"sandbox {event.environment.sandbox}"
    )


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
