"""One night: task after task, and files that are whole at every moment.

Owns the order, the time budget and what is written. Every kernel is 'not run' until its row is
there, so that a night which is cut short by whatever means says so by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import takewhile
from pathlib import Path

from runner.errors import ContractError, RunnerError
from runner.files import write_atomically
from runner.night_record import (
    HISTORY_FILE,
    NIGHT_FILE,
    KernelNight,
    Night,
    history_line,
    parse_history,
)
from runner.nightly.one_kernel import Rows
from runner.nightly.reverify import Judge, Occasion, not_run, reverify
from runner.nightly.worklist import Shard, Task, list_tasks, take_shard

WAITING = "the night ended before its turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the command line asks for. `history`: a file of lines, or a folder of such files."""

    problems: Path
    out: Path
    shard: Shard = field(default_factory=Shard)
    leg: str = "pinned"
    commit: str | None = None
    time_budget_s: float | None = None
    history: Path | None = None


def run_night(
    plan: Plan,
    judge: Judge,
    tell: Callable[[KernelNight], None],
    *,
    rows: Rows | None = None,
    night: date | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Night:
    """Judge every kernel of the shard; `tell` hears of each. Raises RunnerError and OSError.

    A kernel's turn begins only within the time budget, and is then taken to its end: a verdict that
    is broken off would look like a kernel that hangs. `rows`: who has the kernels judged, several
    at a time; else `judge` does, one after the other, in this process.
    """
    tasks = take_shard(list_tasks(plan.problems), plan.shard)
    occasion = Occasion(
        night=night or datetime.now(UTC).date(), leg=plan.leg, history=read_history(plan.history)
    )
    log = _Log(plan, tasks, occasion, clock)
    log.write()
    due = takewhile(lambda _: not log.is_over(), tasks)
    for row in rows(due, occasion) if rows else (reverify(t, judge, occasion) for t in due):
        log.add(row)
        tell(row)
    return log.write()


def read_history(path: Path | None) -> tuple[KernelNight, ...]:
    """The rows of earlier nights; none where no history is named. Raises RunnerError."""
    if path is None:
        return ()
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    rows: list[KernelNight] = []
    for file in files:
        try:
            rows.extend(parse_history(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise RunnerError(f"cannot read the history {file}: {error}") from error
        except ContractError as error:
            raise RunnerError(f"{file}: {error}") from error
    return tuple(rows)


class _Log:
    """The night's files: the rows so far, and the rest as 'not run'."""

    def __init__(
        self, plan: Plan, tasks: Sequence[Task], occasion: Occasion, clock: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._occasion = occasion
        self._clock = clock
        self._began_s = clock()
        self._rows = {task.kernel: not_run(task, occasion, WAITING) for task in tasks}
        self._left = set(self._rows)

    def is_over(self) -> bool:
        budget_s = self._plan.time_budget_s
        return budget_s is not None and self._clock() - self._began_s >= budget_s

    def add(self, row: KernelNight) -> None:
        self._rows[row.kernel] = row
        self._left.discard(row.kernel)
        self.write()

    def write(self) -> Night:
        """Both files as of now, each replaced in one step."""
        night = Night(
            night=self._occasion.night,
            leg=self._occasion.leg,
            shard=str(self._plan.shard),
            commit=self._plan.commit,
            complete=not self._left,
            wall_s=self._clock() - self._began_s,
            kernels=tuple(self._rows.values()),
        )
        self._plan.out.mkdir(parents=True, exist_ok=True)
        lines = "".join(history_line(row) for row in night.kernels)
        write_atomically(self._plan.out / HISTORY_FILE, lines)
        write_atomically(self._plan.out / NIGHT_FILE, night.model_dump_json(indent=1) + "\n")
        return night
