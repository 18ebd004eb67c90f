"""What to do next: explore, repair, optimise, or take over the kernel of another line.

Owns the policy. Pure: no model, no verifier, no clock, no text; `runner.prompts` writes the
question that a `Move` stands for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.contract import Evaluation, EvaluationStatus
from runner.keep import Rank, gain_over
from runner.tried import Line, Tried

Phase = Literal["explore", "repair", "optimise", "review", "tune"]

# As often with one and the same finding, and the model does not see its cause.
SAME_FINDING = 3
# So many failures, and the approach is the cause.
MAX_REPAIRS = 6
# So many tries since a line's best, and its ideas are spent.
NO_PROGRESS = 4
# A kernel this much slower than the best gets few more tries: they would be spent on catching up.
FAR_BEHIND = 1.5
TRIES_WHEN_BEHIND = 2
# Streams that look for a better start are spread over the best few kernels.
MAX_FOLLOWED = 3
# Kernels of other lines that a question may show.
MAX_OTHERS = 4
# From here on there is nothing left to gain that a measurement would show.
ROOFLINE_ENOUGH = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """One line of work: its attempts, oldest first, and the best of those that passed.

    A line that took over a kernel begins with the attempt that made it.
    """

    number: int
    rows: tuple[Tried, ...]
    best: Tried | None

    @property
    def since_best(self) -> tuple[Tried, ...]:
        """The attempts after the best one; all of them where none passed."""
        if self.best is None:
            return self.rows
        return self.rows[self.rows.index(self.best) + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that the policy looks at. `at_work`: the line of every stream that has one.

    `openings`: questions that began from nothing so far. `rank`: smaller is better.
    """

    review: bool
    lines: Mapping[int, WorkLine]
    at_work: Mapping[int, int]
    openings: int
    best: Tried | None
    rank: Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one stream asks next.

    `line`: the line that goes on; None begins one, from `base` where another line's kernel is
    taken over, else from nothing. `variant` numbers the beginnings from nothing.
    """

    phase: Phase
    line: int | None = None
    base: Tried | None = None
    variant: int = 0


def next_move(view: View, stream: int) -> Move:
    """The next question of `stream`, from everything tried so far.

    A stream begins from nothing, repairs until its kernel passes, then optimises it. A line that
    is stuck is left for one of the best kernels of other lines, the one with the fewest streams
    on it; where there is none, for a new beginning.
    """
    own = view.lines.get(view.at_work.get(stream, 0))
    if own is None or not own.rows:
        return _opening(view)
    if not is_stuck(own) and not _is_behind(own, view.best):
        if own.best is None:
            return Move(phase="repair", line=own.number)
        return Move(phase="optimise", line=own.number, base=own.best)
    other = _second_best(view, own, stream)
    if other is not None:
        return Move(phase="optimise", base=other)
    if own.best is not None and view.review:
        # A review is about one kernel: a new beginning would only be the same question again.
        return Move(phase="optimise", line=own.number, base=own.best)
    return _opening(view)


def is_stuck(line: WorkLine) -> bool:
    """Whether more of the same would be asked of this line for nothing."""
    since = line.since_best
    limit = MAX_REPAIRS if line.best is None else NO_PROGRESS
    return len(since) >= limit or _same_findings(since) >= SAME_FINDING


def other_kernels(view: View, own: WorkLine | None) -> tuple[Tried, ...]:
    """The best of every other line for a question to show: what passed first, then what failed."""
    known = None if own is None or own.best is None else own.best.attempt.index
    passed: dict[int, Tried] = {}
    failed: list[Tried] = []
    for line in view.lines.values():
        if own is not None and line.number == own.number:
            continue
        if line.best is not None:
            passed[line.best.attempt.index] = line.best
        elif line.rows:
            failed.append(line.rows[-1])
    passed.pop(known or 0, None)
    ranked = sorted(passed.values(), key=lambda row: view.rank(row.attempt.evaluation))
    failed.sort(key=lambda row: -row.attempt.index)
    return tuple([*ranked, *failed][:MAX_OTHERS])


def line_for(view: View, move: Move) -> Line:
    """What the question of `move` tells of the past."""
    own = view.lines.get(move.line or 0)
    if own is None and move.base is not None:
        own = WorkLine(number=0, rows=(move.base,), best=move.base)
    return Line(attempts=own.rows if own else (), others=other_kernels(view, own))


def at_roofline(evaluation: Evaluation) -> bool:
    """Whether every workload moves its bytes at `ROOFLINE_ENOUGH` of the rate measured here.

    False where a workload was not timed, its share is not known, or it is bound by arithmetic: that
    share counts the reference's operations, and a kernel that skips what a mask hides needs fewer.
    """
    performance = evaluation.performance
    if performance is None or performance.not_timed:
        return False
    return all(
        timing.bound != "arithmetic"
        and timing.roofline_share is not None
        and timing.roofline_share >= ROOFLINE_ENOUGH
        for timing in performance.timings
    )


def _opening(view: View) -> Move:
    return Move(phase="review" if view.review else "explore", variant=view.openings)


def _second_best(view: View, own: WorkLine, stream: int) -> Tried | None:
    """One of the best kernels that `own` does not work on, the least crowded first."""
    known = 0 if own.best is None else own.best.attempt.index
    kernels = {
        line.best.attempt.index: line.best
        for line in view.lines.values()
        if line.best is not None and line.best.attempt.index != known
    }
    crowds: Counter[int] = Counter()
    for who, number in view.at_work.items():
        best = view.lines[number].best if number in view.lines else None
        if best is not None and who != stream:
            crowds[best.attempt.index] += 1
    ranked = sorted(kernels.values(), key=lambda row: view.rank(row.attempt.evaluation))
    # min() takes the first of equals: the better kernel.
    return min(ranked[:MAX_FOLLOWED], key=lambda row: crowds[row.attempt.index], default=None)


def _is_behind(line: WorkLine, best: Tried | None) -> bool:
    """Whether this line has a kernel, had its tries, and is still far from the best."""
    if line.best is None or best is None or len(line.since_best) < TRIES_WHEN_BEHIND:
        return False
    mine, theirs = line.best.attempt.evaluation, best.attempt.evaluation
    if mine.performance is None or theirs.performance is None:
        return False
    gain = gain_over(theirs.performance, mine.performance)
    return gain is not None and gain.certain and gain.log_ratio > math.log(FAR_BEHIND)


def _same_findings(rows: Sequence[Tried]) -> int:
    """How many of the last attempts failed with one and the same finding."""
    findings: list[tuple[EvaluationStatus, str, str] | None] = []
    for row in rows:
        # A source returned unchanged is the same finding once more.
        again = row.repeats is not None and findings
        findings.append(findings[-1] if again else _finding(row))
    count = 0
    for finding in reversed(findings):
        if finding is None or finding != findings[-1]:
            break
        count += 1
    return count


def _finding(row: Tried) -> tuple[EvaluationStatus, str, str] | None:
    """What went wrong, without its figures: a line number moves, the mistake stays."""
    if row.passed:
        return None
    evaluation = row.attempt.evaluation
    return evaluation.status, evaluation.stage, re.sub(r"\d+", "#", evaluation.summary)
