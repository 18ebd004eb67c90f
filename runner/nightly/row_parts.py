"""The parts of a night's row that come from a failed verdict: bounded, the smallest input first.

Owns the bounds, which the record's types demand. Judges nothing.
"""

from __future__ import annotations

import math

from runner.contract import Evaluation, OutputError
from runner.night_record import MAX_TEXT_CHARS, NightFailure

MAX_NOTES = 32
_MAX_LINE_CHARS = 300


def clip(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """`text`, cut to `limit` characters with a mark of the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def failure_of(evaluation: Evaluation) -> NightFailure:
    """Where a verdict said no. The case is the failing one with the fewest elements."""
    wrong = [
        case
        for case in (evaluation.correctness.cases if evaluation.correctness else ())
        if not case.within_budget
    ]
    smallest = min(wrong, key=_size) if wrong else None
    return NightFailure(
        stage=clip(evaluation.stage, _MAX_LINE_CHARS),
        summary=clip(evaluation.summary),
        detail=clip(evaluation.detail),
        workload=smallest.workload if smallest else None,
        distribution=clip(smallest.distribution, _MAX_LINE_CHARS) if smallest else None,
        output=_output(smallest) if smallest else None,
    )


def _size(case: OutputError) -> tuple[int, int]:
    return case.elements, math.prod(case.workload.axes.values())


def _output(case: OutputError) -> str:
    words = f"{case.output}: {case.wrong_elements} of {case.elements} elements wrong"
    if case.worst_index is not None:
        words += f", the worst at {list(case.worst_index)}: {case.found} for {case.expected}"
    return clip(words, _MAX_LINE_CHARS)
