"""The picture of the search: what each attempt came to, and when the best got better.

Owns `search.svg`. Above, passed attempts by their ratio to the strongest baseline and the best so
far as a line; below, a lane for each way to fail. Without times there are lanes only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runner.charts import svg
from runner.charts.scale import Axis, tick_text
from runner.contract import NOT_MEASURED, EvaluationStatus
from runner.headline import TIMES, Lead, baseline_label, lead_over_strongest, times_text
from runner.results import AttemptRow, Results

_LEFT, _RIGHT, _TOP = 150, 700, 76
_PANEL, _LANE = 190, 26
_CLASS = {
    EvaluationStatus.PASSED: "passed",
    EvaluationStatus.REJECTED: "refused",
    EvaluationStatus.COMPILE_ERROR: "broken",
    EvaluationStatus.RUNTIME_ERROR: "crashed",
    EvaluationStatus.INCORRECT_SHAPE: "wrong",
    EvaluationStatus.INCORRECT_DTYPE: "wrong",
    EvaluationStatus.INCORRECT_NUMERICAL: "wrong",
    EvaluationStatus.CHEATED: "cheated",
    EvaluationStatus.TIMEOUT: "late",
}
Place = Callable[[AttemptRow], float]


def draw_search(results: Results) -> str:
    """`search.svg` of a run."""
    rows = results.attempts
    evaluation = results.evaluation
    lead = lead_over_strongest(evaluation.performance) if evaluation else None
    timed = [row for row in rows if lead is not None and lead.baseline in row.ratios]
    untimed = [row for row in rows if row not in timed]
    lanes = [status for status in EvaluationStatus if any(r.status is status for r in untimed)]
    x, label, place = _time_axis(results)
    bottom = _TOP + (_PANEL + 16 if lead is not None else 0)
    height = bottom + _LANE * len(lanes) + 62
    parts: list[str] = []
    if lead is not None:
        parts += _panel(results, lead, timed, x, place)
    parts += _lanes(lanes, untimed, bottom, place)
    parts += _x_ticks(x, bottom + _LANE * len(lanes), label)
    return svg.document(height, _title(lead), _note(results), parts)


def _title(lead: Lead | None) -> str:
    if lead is None:
        return "The search: every attempt's verdict"
    return f"The search: speed against {baseline_label(lead.baseline)}, attempt by attempt"


def _note(results: Results) -> str:
    count = len(results.attempts)
    words = [f"{count} attempt{'' if count == 1 else 's'}"]
    passed = sum(row.status is EvaluationStatus.PASSED for row in results.attempts)
    words.append(f"{passed} passed")
    if results.evaluation is not None and results.evaluation.performance is None:
        words.append(f"speed {NOT_MEASURED}" if results.environment.gpu is None else "not timed")
    if any(row.ratios for row in results.attempts):
        words.append("geometric mean over the workloads")
    if any(row.status is EvaluationStatus.PASSED and not row.kept for row in results.attempts):
        words.append("hollow: not kept")
    return "; ".join(words)


def _time_axis(results: Results) -> tuple[Axis, str, Place]:
    """The axis, its name, and where an attempt is on it."""
    rows = results.attempts
    if all(row.at_s is not None for row in rows):
        latest_s = max([results.cost.wall_s, *(row.at_s or 0.0 for row in rows)], default=1.0)
        unit_s, label = (60.0, "minutes") if latest_s >= 120 else (1.0, "seconds")
        high = max(latest_s / unit_s, 1e-3)
        axis = Axis(low=0.0, high=high * 1.02, start=_LEFT, end=_RIGHT)
        return axis, f"{label} since the start", lambda row: axis.place((row.at_s or 0.0) / unit_s)
    last = max((row.index for row in rows), default=1)
    by_number = Axis(low=0.0, high=last + 0.5, start=_LEFT, end=_RIGHT)
    return by_number, "attempt", lambda row: by_number.place(row.index)


def _panel(
    results: Results, lead: Lead, timed: Sequence[AttemptRow], x: Axis, place: Place
) -> list[str]:
    """The ratios: the line at 1, the best so far, the attempts, the final verdict."""
    ratios = [row.ratios[lead.baseline] for row in timed]
    low, high = min([*ratios, lead.ratio, 1.0]), max([*ratios, lead.ratio, 1.0])
    room = max((high - low) * 0.14, 0.02)
    y = Axis(low=max(0.0, low - room), high=high + room, start=_TOP + _PANEL, end=_TOP)
    parts = []
    for tick in y.ticks():
        at = y.place(tick)
        parts.append(svg.line((_LEFT, at), (_RIGHT, at), "grid"))
        parts.append(svg.text(_LEFT - 10, at + 4, f"{tick_text(tick)}{TIMES}", "muted", "end"))
    one = y.place(1.0)
    parts.append(svg.line((_LEFT, one), (_RIGHT, one), "muted dashed"))
    parts.append(
        svg.text(_LEFT + 6, one - 6, f"as fast as {baseline_label(lead.baseline)}", "muted")
    )
    ordered = sorted(timed, key=place)
    parts += _best_so_far(ordered, lead, y, place)
    for row in ordered:
        shape = "passed" if row.kept else "passed hollow"
        parts.append(svg.dot(place(row), y.place(row.ratios[lead.baseline]), shape, 4.5))
    parts += _final(results, lead, y, x)
    return parts


def _best_so_far(ordered: Sequence[AttemptRow], lead: Lead, y: Axis, place: Place) -> list[str]:
    """A step at every attempt that became the best."""
    points: list[tuple[float, float]] = []
    for row in ordered:
        if row.kept:
            at = y.place(row.ratios[lead.baseline])
            points += [(place(row), points[-1][1])] if points else []
            points.append((place(row), at))
    if not points:
        return []
    return [svg.path([*points, (_RIGHT, points[-1][1])], "passed")]


def _final(results: Results, lead: Lead, y: Axis, x: Axis) -> list[str]:
    """The reported figure: judged again, in fresh processes, after the last attempt."""
    at = y.place(lead.ratio)
    words = f"final {times_text(lead.ratio)}"
    return [
        svg.diamond(x.end, at, "ink"),
        svg.text(x.end + 8, at - 12, words, "ink strong", "end"),
    ]


def _lanes(
    lanes: Sequence[EvaluationStatus], rows: Sequence[AttemptRow], top: float, place: Place
) -> list[str]:
    parts = []
    for number, status in enumerate(lanes):
        at = top + _LANE * number + _LANE / 2
        parts.append(svg.line((_LEFT, at), (_RIGHT, at), "grid"))
        words = status.value.lower().replace("_", " ")
        parts.append(svg.text(_LEFT - 10, at + 4, words, _CLASS[status], "end"))
        for row in rows:
            if row.status is status:
                hollow = " hollow" if status is EvaluationStatus.PASSED and not row.kept else ""
                parts.append(svg.dot(place(row), at, _CLASS[status] + hollow, 4.5))
    return parts


def _x_ticks(x: Axis, top: float, label: str) -> list[str]:
    parts = [svg.line((_LEFT, top + 6), (_RIGHT, top + 6), "muted")]
    for tick in x.ticks(6):
        at = x.place(tick)
        parts.append(svg.line((at, top + 6), (at, top + 11), "muted"))
        parts.append(svg.text(at, top + 26, tick_text(tick), "muted", "middle"))
    parts.append(svg.text(_RIGHT, top + 46, label, "muted", "end"))
    return parts
