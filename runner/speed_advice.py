"""From the facts of all workloads to a few ranked suggestions, none of which contradicts another.

Owns the choice among `runner.speed_rules`, and what only several workloads together show.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.speed_facts import WorkloadFacts
from runner.speed_rules import RULES, Aim

MAX_SUGGESTIONS = 3
_UNEVEN = 1.6


def suggestions(facts: Sequence[WorkloadFacts], limit: int = MAX_SUGGESTIONS) -> tuple[str, ...]:
    """The first `limit` rules that apply, each on the workload that is furthest from the GPU's
    own limit.

    One that sends the tile's size the other way than a suggestion before it is left out.
    """
    slowest_first = sorted(facts, key=_share_or_last)
    found: list[str] = []
    aims: set[Aim] = set()
    for rule in RULES:
        hits = ((row, rule.advise(row)) for row in slowest_first)
        hit = next(((row, advice) for row, advice in hits if advice is not None), None)
        if hit is not None and not (hit[1].aim and aims - {hit[1].aim}):
            aims |= {hit[1].aim} if hit[1].aim else set()
            found.append(f"{hit[1].text} (On {hit[0].timing.workload}.)")
        if len(found) == limit:
            return tuple(found)
    uneven = _uneven_workloads(facts)
    return (*found, uneven) if uneven else tuple(found)


def _share_or_last(facts: WorkloadFacts) -> float:
    share = facts.timing.roofline_share
    return float("inf") if share is None else share


def _uneven_workloads(facts: Sequence[WorkloadFacts]) -> str | None:
    """Two workloads of one kernel, far apart in what they reach of the GPU."""
    known = [row for row in facts if row.timing.roofline_share and not row.launch_bound]
    if len(known) < 2:
        return None
    low, high = min(known, key=_share_or_last), max(known, key=_share_or_last)
    if _share_or_last(high) < _UNEVEN * _share_or_last(low):
        return None
    return (
        f"It reaches {high.timing.roofline_share:.0%} of the roofline on {high.timing.workload}, "
        f"and {low.timing.roofline_share:.0%} on {low.timing.workload}: choose block sizes and "
        "warps by the sizes, so that the second gets what suits it and the first stays as it is."
    )
