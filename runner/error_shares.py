"""How much of its error budget a comparison used, and which comparisons are the worst.

Owns the arithmetic that a terminal, a page and a pull request share. The verdict itself is the
judge's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.contract import OutputError, Workload


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareMatrix:
    """The worst share of a budget for each workload and distribution of inputs that met."""

    workloads: tuple[Workload, ...]
    distributions: tuple[str, ...]
    shares: Mapping[tuple[str, str], float]  # by the workload's text and the distribution

    def text(self, workload: Workload, distribution: str) -> str:
        """`51 %` of the budget; a dash where the two did not meet."""
        share = self.shares.get((str(workload), distribution))
        if share is None:
            return "–"  # noqa: RUF001 - the sign for 'none', in a table's cell
        return "not finite" if math.isinf(share) else f"{share:.0%}"


def share_matrix(cases: Sequence[OutputError]) -> ShareMatrix:
    """Workloads and distributions in the order first met; outputs are taken together."""
    shares: dict[tuple[str, str], float] = {}
    for case in cases:
        key = (str(case.workload), case.distribution)
        shares[key] = max(worst_share(case), shares.get(key, 0.0))
    return ShareMatrix(
        workloads=tuple({str(case.workload): case.workload for case in cases}.values()),
        distributions=tuple(dict.fromkeys(case.distribution for case in cases)),
        shares=shares,
    )
