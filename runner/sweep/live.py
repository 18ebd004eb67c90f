"""What a person sees of a sweep while it runs: a table in a terminal, lines in a log.

Owns the words and the table. Reads the runs' journals for what is under way; decides nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TextIO

from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner.event_lines import clock_text
from runner.journal import AttemptFinished, parse_event
from runner.one_line import one_line
from runner.sweep.folder import SweepFolder
from runner.sweep.pictures import speed_text
from runner.sweep.plan import Plan, PlannedProblem
from runner.sweep.results import BASELINES, ProblemRow

# A terminal shows the last ones; the report has them all.
MAX_DONE = 12
WORDS_CHARS = 80


class PlainLive:
    """A line as each problem begins and ends."""

    def __init__(self, plan: Plan, stream: TextIO) -> None:
        self._stream = stream
        self._total = len(plan.problems)
        self._done = 0

    def known(self, row: ProblemRow) -> None:
        """An earlier sweep has ended it."""
        self._done += 1

    def began(self, problem: PlannedProblem, place: str, tries: int) -> None:
        again = "" if tries == 1 else f", again ({tries}): its worker was lost"
        self._say(f"{problem.key} {problem.title}: begun on {place}{again}")

    def ended(self, row: ProblemRow) -> None:
        self._done += 1
        self._say(f"{row.key} {row.title}: {ended_words(row)}  [{self._done}/{self._total}]")

    def close(self) -> None:
        """Nothing is held."""

    def _say(self, line: str) -> None:
        print(one_line(line), file=self._stream, flush=True)


@dataclass(slots=True)
class _UnderWay:
    problem: PlannedProblem
    place: str
    tries: int
    tail: JournalTail
    since_s: float = field(default_factory=time.monotonic)


class TableLive:
    """A table that is redrawn in place. Keeps drawing until `close`."""

    def __init__(self, plan: Plan, folder: SweepFolder, console: Console) -> None:
        self._plan = plan
        self._folder = folder
        self._rows: dict[str, ProblemRow] = {}
        self._last: list[ProblemRow] = []
        self._under_way: dict[str, _UnderWay] = {}
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=1, transient=False
        )
        self._live.start()

    def known(self, row: ProblemRow) -> None:
        self._rows[row.run] = row

    def began(self, problem: PlannedProblem, place: str, tries: int) -> None:
        tail = JournalTail(self._folder, problem.run)
        row = _UnderWay(problem=problem, place=place, tries=tries, tail=tail)
        self._under_way[problem.run] = row

    def ended(self, row: ProblemRow) -> None:
        self._rows[row.run] = row
        self._last.append(row)
        self._under_way.pop(row.run, None)

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [Text(f"sweep of {self._plan.suite}", style="bold")]
        parts.append(self._levels())
        if self._last:
            parts.append(self._done())
        if self._under_way:
            parts.append(self._now())
        return Group(*parts)

    def _levels(self) -> Table:
        table = _table("level", "problems", "ended", "solved")
        for level in self._plan.levels:
            runs = [p.run for p in self._plan.problems if p.level == level]
            rows = [self._rows[run] for run in runs if run in self._rows]
            solved = sum(row.state == "solved" for row in rows)
            name = "all" if level is None else str(level)
            table.add_row(name, str(len(runs)), str(len(rows)), str(solved))
        return table

    def _done(self) -> Table:
        table = _table("problem", "title", "")
        for row in self._last[-MAX_DONE:]:
            style = "green" if row.state == "solved" else "yellow"
            # Text, not markup: a title is the suite's.
            words = Text(one_line(ended_words(row)), style=style)
            table.add_row(Text(row.key), Text(one_line(row.title, 40)), words)
        return table

    def _now(self) -> Table:
        table = _table("problem", "title", "place", "minutes", "attempts", "passed")
        now_s = time.monotonic()
        for row in tuple(self._under_way.values()):
            row.tail.read()
            table.add_row(
                Text(row.problem.key),
                Text(one_line(row.problem.title, 40)),
                row.place if row.tries == 1 else f"{row.place} (again)",
                clock_text(now_s - row.since_s),
                str(row.tail.attempts),
                str(row.tail.passed),
            )
        return table


class JournalTail:
    """Attempts of a run that is under way, read from its journal as it grows."""

    def __init__(self, folder: SweepFolder, run: str) -> None:
        self._path = folder.journal(run)
        self._read_bytes = 0
        self.attempts = self.passed = 0

    def read(self) -> None:
        """Take in the lines that have come; half a line waits for its end."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read_bytes)
                data = stream.read()
        except OSError:  # not there yet, or a node's file system is slow: the next look will tell
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            try:
                event = parse_event(line.decode())
            except ValidationError:  # the report will name it
                continue
            if isinstance(event, AttemptFinished):
                self.attempts += 1
                self.passed += event.attempt.evaluation.status == "PASSED"


def ended_words(row: ProblemRow) -> str:
    """How a problem ended, on one line."""
    if row.state != "solved":
        return f"{row.state}: {one_line(row.words, WORDS_CHARS)}"
    speeds = [f"{speed_text(row, name)} vs {name}" for name in BASELINES if row.speed_up(name)]
    after = clock_text(row.solved_at_s or 0.0)
    attempts = "1 attempt" if row.attempts == 1 else f"{row.attempts} attempts"
    return ", ".join([f"solved after {after}, {attempts}", *speeds])


def open_live(plan: Plan, folder: SweepFolder, stream: TextIO) -> PlainLive | TableLive:
    """A live table where `stream` is a terminal, lines elsewhere."""
    if stream.isatty():
        return TableLive(plan, folder, Console(file=stream))
    return PlainLive(plan, stream)


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title)
    return table
