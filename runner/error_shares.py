"""How much of its error budget a comparison used, and which comparisons are the worst.

Owns the arithmetic that a terminal and a page share. The verdict itself is the judge's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.contract import OutputError


def worst_share(case: OutputError) -> float:
    """The largest share of a budget that a comparison used; infinite where no error has a value."""
    if case.max_error is None or case.rms_error is None:
        return math.inf
    pairs = ((case.max_error, case.max_budget), (case.rms_error, case.rms_budget))
    return max(_share(error, budget) for error, budget in pairs)


def worst_cases(cases: Sequence[OutputError]) -> list[OutputError]:
    """The worst comparison of each workload and output, in the order first met."""
    groups: dict[tuple[str, str], list[OutputError]] = {}
    for case in cases:
        groups.setdefault((str(case.workload), case.output), []).append(case)
    return [max(group, key=_badness) for group in groups.values()]


def _badness(case: OutputError) -> tuple[bool, float]:
    # A single wrong element fails a comparison whose largest error is within the largest budget.
    return (not case.within_budget, worst_share(case))


def _share(error: float, budget: float) -> float:
    if budget > 0:
        return error / budget
    return 0.0 if error == 0 else math.inf
