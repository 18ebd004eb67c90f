"""Live progress of a run: a table that updates in a terminal, plain lines in a log.

Owns what a person sees while waiting. A listener of the journal's events; decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.contract import NOT_MEASURED, Attempt, EvaluationStatus
from runner.event_lines import attempt_line, clock_text, event_line, headline, summary_of
from runner.journal import (
    Alive,
    AnswerReceived,
    AttemptFinished,
    Event,
    FinalVerdict,
    ModelFailed,
    PromptSent,
    RunEnded,
    RunStarted,
)
from runner.model import LiveCount
from runner.timing_text import ms_text
from runner.verifier.resources import geometric_mean_ms

# A terminal shows the last ones; the journal has them all.
MAX_ROWS = 15
# A log that says nothing looks dead; one that says the same every ten seconds is not read.
ALIVE_LINE_S = 30.0


class PlainProgress:
    """One line an event, for a log. `time_left_s` is asked when a line is written."""

    def __init__(self, stream: TextIO, time_left_s: Callable[[], float]) -> None:
        self._stream = stream
        self._time_left_s = time_left_s
        self._last_line_s = 0.0

    def __call__(self, event: Event) -> None:
        line = self._line(event)
        if line is not None:
            self._last_line_s = event.at_s
            print(line, file=self._stream, flush=True)

    def recall(self, events: Iterable[Event]) -> None:
        """What an earlier start of the run did is in its own log."""

    def watch(self, attempt: int, count: LiveCount) -> None:
        """A log does not change what it has said."""

    def close(self) -> None:
        """Nothing is held."""

    def _line(self, event: Event) -> str | None:
        """What a log says of an event; None where it says nothing."""
        if isinstance(event, AttemptFinished):
            attempt = event.attempt
            kept = "  [best so far]" if attempt.kept else ""
            return f"{attempt_line(attempt)}{kept}  ({self._seconds(attempt)})"
        if isinstance(event, Alive):
            quiet = event.at_s - self._last_line_s >= ALIVE_LINE_S
            return self._waiting_line(event) if quiet else None
        return event_line(event)

    def _seconds(self, attempt: Attempt) -> str:
        return (
            f"model {attempt.model_s:.1f} s, verifier {attempt.verifier_s:.1f} s, "
            f"{clock_text(self._time_left_s())} left"
        )

    def _waiting_line(self, event: Alive) -> str:
        tokens = sum(event.waiting.values())
        answers = "1 answer" if len(event.waiting) == 1 else f"{len(event.waiting)} answers"
        left = clock_text(self._time_left_s())
        return f"{answers} under way, {tokens:,} tokens so far  ({left} left)"


@dataclass(slots=True)
class _UnderWay:
    """An attempt that is not finished: what it waits for, since when, and what has come."""

    sent: PromptSent
    since_s: float
    doing: str = "thinking"
    tokens: str = ""


class LiveProgress:
    """A table that is redrawn in place: what is under way, then what is done.

    Keeps drawing until `close`.
    """

    def __init__(self, console: Console, time_left_s: Callable[[], float]) -> None:
        self._time_left_s = time_left_s
        self._headline = ""
        self._attempts: list[Attempt] = []
        self._under_way: dict[int, _UnderWay] = {}
        self._tokens = 0
        self._now = "preparing: sandbox and reference"
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=2, transient=False
        )
        self._live.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._headline = headline(event)
            self._now = ""
        elif isinstance(event, PromptSent):
            self._under_way[event.attempt] = _UnderWay(sent=event, since_s=time.monotonic())
        elif isinstance(event, AnswerReceived):
            self._tokens += event.tokens.completion_tokens or 0
            if event.attempt in self._under_way:
                self._under_way[event.attempt].doing = "being judged"
        elif isinstance(event, AttemptFinished):
            self._attempts.append(event.attempt)
            self._under_way.pop(event.attempt.index, None)
        else:
            self._now = event_line(event) or self._now
            if isinstance(event, ModelFailed) and event.gives_up:
                self._under_way.pop(event.attempt, None)
            elif isinstance(event, (FinalVerdict, RunEnded)):
                self._under_way.clear()

    def recall(self, events: Iterable[Event]) -> None:
        """Show what an earlier start of the run did, too."""
        for event in events:
            self(event)

    def watch(self, attempt: int, count: LiveCount) -> None:
        """Tokens of an answer that is still coming."""
        row = self._under_way.get(attempt)
        if row is not None:
            about = "~" if count.estimated else ""
            row.doing = "writing" if count.answer_tokens else "thinking"
            row.tokens = f"{about}{count.reasoning_tokens + count.answer_tokens:,}"

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [Text(self._headline, style="bold")]
        if self._attempts:
            parts.append(self._done_table())
        if self._under_way:
            parts.append(self._under_way_table())
        if self._now:
            parts.append(Text(self._now))
        left = clock_text(self._time_left_s())
        parts.append(Text(f"best: {self._best_text()}   {self._totals()}   time left: {left}"))
        return Group(*parts)

    def _done_table(self) -> Table:
        table = _table("attempt", "phase", "status", "seconds", "")
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
        return table

    def _under_way_table(self) -> Table:
        table = _table("stream", "attempt", "phase", "now", "tokens", "seconds")
        now_s = time.monotonic()
        for row in sorted(self._under_way.values(), key=lambda row: row.sent.stream):
            table.add_row(
                str(row.sent.stream),
                str(row.sent.attempt),
                row.sent.phase,
                Text(row.doing, style="cyan"),
                row.tokens,
                f"{now_s - row.since_s:.0f}",
            )
        return table

    def _best_text(self) -> str:
        kept = [attempt for attempt in self._attempts if attempt.kept]
        if not kept:
            return "none yet"
        performance = kept[-1].evaluation.performance
        measured = NOT_MEASURED if performance is None else ms_text(geometric_mean_ms(performance))
        return f"attempt {kept[-1].index} (*), {measured}"

    def _totals(self) -> str:
        passed = sum(a.evaluation.status is EvaluationStatus.PASSED for a in self._attempts)
        tokens = f", {self._tokens:,} tokens" if self._tokens else ""
        return f"{len(self._attempts)} attempts, {passed} passed{tokens}"


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title in ("seconds", "tokens") else "left")
    return table


Progress = PlainProgress | LiveProgress


def open_progress(stream: TextIO, time_left_s: Callable[[], float]) -> Progress:
    """A live table where `stream` is a terminal, lines elsewhere."""
    if stream.isatty():
        return LiveProgress(Console(file=stream), time_left_s)
    return PlainProgress(stream, time_left_s)
