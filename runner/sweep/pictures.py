"""The two pictures of a sweep: problems solved over time, and how fast each kernel is.

Owns both. Draws what `SweepResults` says and nothing else, so the same results give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.charts import svg
from runner.charts.scale import Axis, tick_text
from runner.contract import NOT_MEASURED
from runner.headline import TIMES, baseline_label, tame, times_text
from runner.sweep.results import BASELINES, Group, ProblemRow, SpeedUp, SweepResults

_LEFT, _RIGHT, _TOP, _PANEL = 76, 590, 84, 240
_LABEL_GAP = 18
_ROW, _NAMES = 18, 230
_MAX_TITLE = 30


def draw_solved(results: SweepResults) -> str:
    """The share of problems solved over the minutes that each problem's run has taken."""
    groups = _levels(results)
    minutes = results.budget.wall_clock_s / 60
    latest = max((p.at_s / 60 for group in groups for p in group.curve), default=0.0)
    x = Axis(low=0.0, high=max(minutes, latest), start=_LEFT, end=_RIGHT)
    y = Axis(low=0.0, high=100.0, start=_TOP + _PANEL, end=_TOP)
    parts = _share_axes(x, y)
    for number, group in enumerate(groups):
        parts.append(svg.path(_steps(group, x, y), f"series{number % svg.SERIES}"))
    parts += _curve_names(groups, y)
    note = (
        f"{tame(results.suite)}, {_count(results)}; time of a problem's run, "
        "answers and verdicts together"
    )
    return svg.document(_TOP + _PANEL + 56, "Problems solved over time", note, parts)


def draw_speed_ups(results: SweepResults) -> str:
    """One row a problem: its kernel against PyTorch eager and torch.compile."""
    title = "Speed-up of every problem"
    ratios = [s.ratio for row in results.problems for s in _shown(row)]
    height = _TOP + _ROW * len(results.problems) + 44
    if not ratios:
        reason = "not timed in these verdicts" if results.gpus else NOT_MEASURED
        parts = _row_names(results.problems)
        return svg.document(height, title, reason[:1].upper() + reason[1:], parts)
    low, high = min(1.0, *ratios) / 1.15, max(1.0, *ratios) * 1.15
    x = Axis(low=low, high=high, start=_NAMES + 10, end=svg.WIDTH - 24, logarithmic=True)
    bottom = _TOP + _ROW * len(results.problems)
    parts = []
    for tick in x.ticks():
        at = x.place(tick)
        parts.append(svg.line((at, _TOP - 6), (at, bottom), "grid"))
        parts.append(svg.text(at, bottom + 18, f"{tick_text(tick)}{TIMES}", "muted", "middle"))
    one = x.place(1.0)
    parts.append(svg.line((one, _TOP - 6), (one, bottom), "muted dashed"))
    parts += _row_names(results.problems)
    for place, row in enumerate(results.problems):
        at = _row_place(place)
        for speed in _shown(row):
            classes = f"series{BASELINES.index(speed.baseline)}"
            parts.append(svg.dot(x.place(speed.ratio), at, classes, 4))
    parts += _legend()
    gpus = ", ".join(tame(gpu) for gpu in results.gpus)
    note = f"geometric mean over the workloads, cold L2 cache, logarithmic scale; {gpus}"
    return svg.document(height, title, note, parts)


def _levels(results: SweepResults) -> Sequence[Group]:
    """A curve a level; the sum of all levels would only lie between them."""
    return results.groups[:-1] if len(results.groups) > 1 else results.groups


def _count(results: SweepResults) -> str:
    count = len(results.problems)
    return f"{count} problem{'' if count == 1 else 's'}"


def _share_axes(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in y.ticks():
        at = y.place(tick)
        parts.append(svg.line((_LEFT, at), (_RIGHT, at), "grid"))
        parts.append(svg.text(_LEFT - 8, at + 4, f"{tick_text(tick)} %", "muted", "end"))
    bottom = _TOP + _PANEL
    parts.append(svg.line((_LEFT, bottom), (_RIGHT, bottom), "muted"))
    for tick in x.ticks():
        at = x.place(tick)
        parts.append(svg.line((at, bottom), (at, bottom + 5), "muted"))
        parts.append(svg.text(at, bottom + 20, tick_text(tick), "muted", "middle"))
    parts.append(svg.text(_RIGHT, bottom + 40, "minutes", "muted", "end"))
    return parts


def _steps(group: Group, x: Axis, y: Axis) -> list[tuple[float, float]]:
    points = [(x.place(0.0), y.place(0.0))]
    for point in group.curve:
        at = x.place(point.at_s / 60)
        points.append((at, points[-1][1]))
        points.append((at, y.place(100 * point.solved / group.problems)))
    return [*points, (_RIGHT, points[-1][1])]


def _curve_names(groups: Sequence[Group], y: Axis) -> list[str]:
    """Each curve's name at its end, pushed apart where they would touch, within the panel."""
    ends = [(y.place(100 * g.solved / g.problems), n, g) for n, g in enumerate(groups)]
    ends.sort(key=lambda end: end[:2])
    places: list[float] = []
    for at, _, _ in ends:
        places.append(max(at, places[-1] + _LABEL_GAP) if places else at)
    limit = float(_TOP + _PANEL)
    for n in reversed(range(len(places))):
        places[n] = min(places[n], limit)
        limit = places[n] - _LABEL_GAP
    return [
        svg.text(
            _RIGHT + 10,
            place + 4,
            f"{group.name}  {group.solved}/{group.problems}",
            f"series{number % svg.SERIES} strong",
        )
        for place, (_, number, group) in zip(places, ends, strict=True)
    ]


def _shown(row: ProblemRow) -> list[SpeedUp]:
    return [speed for speed in row.speed_ups if speed.baseline in BASELINES]


def _row_place(place: int) -> float:
    return _TOP + _ROW * place + _ROW / 2


def _row_names(rows: Sequence[ProblemRow]) -> list[str]:
    parts = []
    for place, row in enumerate(rows):
        at = _row_place(place) + 4
        # The key is whole: its slash is what tells a level from a number.
        name = row.key if row.title == row.key else f"{row.key} {tame(row.title)}"
        name = name if len(name) <= _MAX_TITLE else f"{name[: _MAX_TITLE - 1]}…"
        parts.append(svg.text(_NAMES, at, name, "ink", "end"))
        if not _shown(row):
            words = "solved, not timed" if row.state == "solved" else row.state
            parts.append(svg.text(_NAMES + 14, at, words, "muted"))
    return parts


def _legend() -> list[str]:
    parts = []
    for number, name in enumerate(BASELINES):
        at = _NAMES + 10 + 170 * number
        parts.append(svg.dot(at + 5, _TOP - 18, f"series{number}", 4))
        parts.append(svg.text(at + 16, _TOP - 14, f"vs {baseline_label(name)}", f"series{number}"))
    return parts


def speed_text(row: ProblemRow, baseline: str) -> str:
    """One figure with its interval, for a table; empty where it was not timed."""
    speed = row.speed_up(baseline)
    if speed is None:
        return ""
    return f"{times_text(speed.ratio)} [{speed.low:.2f}, {speed.high:.2f}]"
