"""The picture of the times: milliseconds of the kernel and of every baseline over the sizes.

Owns `times.svg`. Workloads stand in the order of their work, at equal distances: two shapes of one
size would otherwise cover each other. Without times the picture says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.charts import svg
from runner.charts.scale import Axis, tick_text
from runner.contract import NOT_MEASURED, Performance, WorkloadTiming
from runner.headline import baseline_label, gpu_label
from runner.results import Results

_LEFT, _RIGHT, _TOP, _PANEL = 76, 560, 84, 220
_ROOM = 24  # between the frame and the outermost workloads
_LABEL_GAP = 16
_MAX_AXES = 5  # lines of a workload's label
_LABEL_WIDTH = 74
# Beyond this a linear axis would press the fast ones onto the ground line.
_LOG_FROM = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    name: str
    classes: str
    points: tuple[tuple[float, float], ...]  # place, milliseconds


def draw_times(results: Results) -> str:
    """`times.svg` of a run."""
    evaluation = results.evaluation
    performance = evaluation.performance if evaluation is not None else None
    title = "Time over size"
    if performance is None:
        reason = NOT_MEASURED if results.environment.gpu is None else "not timed in this verdict"
        return _nothing(title, reason)
    timings = _by_size(performance.timings)
    log = _spread(performance) > _LOG_FROM
    scale = "logarithmic scale" if log else "from zero"
    note = f"median GPU time of one call, cold L2 cache, {scale}"
    gpu = gpu_label(results.environment)
    return _drawn(f"{title} on {gpu}" if gpu else title, note, timings, log)


def _by_size(timings: Sequence[WorkloadTiming]) -> list[WorkloadTiming]:
    """By arithmetic where all have some: an attention's is not in its bytes. Else by bytes."""
    counted = all(timing.flops for timing in timings)
    return sorted(
        timings, key=lambda t: ((t.flops or 0) if counted else 0, t.moved_bytes, str(t.workload))
    )


def _spread(performance: Performance) -> float:
    times = [t for timing in performance.timings for t in _all_ms(timing)]
    return max(times) / min(times)


def _all_ms(timing: WorkloadTiming) -> list[float]:
    return [timing.median_ms, *(row.median_ms for row in timing.baselines)]


def _drawn(title: str, note: str, timings: Sequence[WorkloadTiming], log: bool) -> str:
    times = [ms for timing in timings for ms in _all_ms(timing)]
    low, high = (min(times) / 1.3, max(times) * 1.3) if log else (0.0, max(times) * 1.1)
    y = Axis(low=low, high=high, start=_TOP + _PANEL, end=_TOP, logarithmic=log)
    step = (_RIGHT - _LEFT - 2 * _ROOM) / max(1, len(timings) - 1)
    places = [_LEFT + _ROOM + step * n for n in range(len(timings))]
    if len(timings) == 1:
        places = [(_LEFT + _RIGHT) / 2]
    series = _series(timings, places)
    parts = _y_ticks(y)
    for one in reversed(series):  # the kernel last, on top
        points = [(x, y.place(ms)) for x, ms in one.points]
        parts.append(svg.path(points, one.classes))
        parts += [svg.dot(px, py, one.classes, 4) for px, py in points]
    parts += _names(series, y)
    parts += _workloads(timings, places, _TOP + _PANEL)
    lines = max(min(len(t.workload.axes), _MAX_AXES) for t in timings)
    return svg.document(_TOP + _PANEL + 42 + 15 * lines, title, note, parts)


def _series(timings: Sequence[WorkloadTiming], places: Sequence[float]) -> list[_Series]:
    """The kernel, then the baselines in the order first met."""
    names = dict.fromkeys(row.name for timing in timings for row in timing.baselines)
    own = tuple((x, timing.median_ms) for x, timing in zip(places, timings, strict=True))
    found = [_Series(name="this kernel", classes="series0", points=own)]
    for number, name in enumerate(names):
        points = tuple(
            (x, row.median_ms)
            for x, timing in zip(places, timings, strict=True)
            for row in timing.baselines
            if row.name == name
        )
        classes = f"series{1 + number % (svg.SERIES - 1)}"
        found.append(_Series(name=baseline_label(name), classes=classes, points=points))
    return found


def _y_ticks(y: Axis) -> list[str]:
    parts = []
    for tick in y.ticks():
        at = y.place(tick)
        parts.append(svg.line((_LEFT, at), (_RIGHT, at), "grid"))
        parts.append(svg.text(_LEFT - 8, at + 4, tick_text(tick), "muted", "end"))
    parts.append(svg.text(_LEFT - 8, _TOP - 8, "ms", "muted", "end"))
    return parts


def _names(series: Sequence[_Series], y: Axis) -> list[str]:
    """Each line's name at its end, pushed apart where they would touch."""
    ends = sorted(((y.place(one.points[-1][1]), one) for one in series), key=lambda end: end[0])
    parts: list[str] = []
    last = float(_TOP - _LABEL_GAP)
    for at, one in ends:
        last = max(at, last + _LABEL_GAP)
        x, end_ms = one.points[-1]
        if last - at > 2 or x < _RIGHT - _ROOM:
            parts.append(svg.line((x + 6, at), (_RIGHT + 8, last), f"{one.classes} dashed"))
        words = f"{one.name}  {end_ms:.3g} ms"
        strong = " strong" if one.classes == "series0" else ""
        parts.append(svg.text(_RIGHT + 12, last + 4, words, one.classes + strong))
    return parts


def _workloads(timings: Sequence[WorkloadTiming], places: Sequence[float], top: float) -> list[str]:
    """The sizes below the axis; with many workloads only every so many are named."""
    width = places[1] - places[0] if len(places) > 1 else float(_LABEL_WIDTH)
    every = max(1, -(-_LABEL_WIDTH // max(1, int(width))))
    parts = [svg.line((_LEFT, top), (_RIGHT, top), "muted")]
    for number, (timing, x) in enumerate(zip(timings, places, strict=True)):
        parts.append(svg.line((x, top), (x, top + 5), "muted"))
        # The largest is always named, and its neighbour makes way for it.
        if (len(timings) - 1 - number) % every:
            continue
        axes = list(timing.workload.axes.items())[:_MAX_AXES]
        parts += [
            svg.text(x, top + 20 + 15 * row, f"{name}={size}", "muted", "middle")
            for row, (name, size) in enumerate(axes)
        ]
    return parts


def _nothing(title: str, reason: str) -> str:
    middle = _TOP + 26
    return svg.document(
        _TOP + 60,
        title,
        "kernel and baselines, in milliseconds",
        [
            svg.line((20, middle - 18), (svg.WIDTH - 20, middle - 18), "grid"),
            svg.text(20, middle + 8, reason[:1].upper() + reason[1:] + ".", "ink strong"),
        ],
    )
