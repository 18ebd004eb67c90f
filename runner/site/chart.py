"""A chart over nights as inline SVG: one line a workload, one column a night.

Owns the drawing. Horizontal places are shares of the width, vertical ones pixels, so that text and
marks keep their size on any screen. Each column carries its figures as a title, which is what a
reader without scripts sees; the page's script makes them a readout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from runner.html_parts import Markup, element
from runner.site.axis import Axis, axis_for, tick_text
from runner.site.marks import MAX_LINES, line_mark, status_mark

PLOT_PX, STRIP_PX, DATES_PX = 210, 26, 22
HEIGHT_PX = PLOT_PX + STRIP_PX + DATES_PX
_TOP_PX = 20
# A name of a change takes about so much of the width.
_NAME_SHARE = 0.3
# The first and the last column keep clear of the frame.
_INSET = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of one line in one column. `low` and `high`: its 95 % interval, if it has one."""

    column: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Points in the order of columns. Only points of one `epoch` are joined (`Column.epoch`)."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One night: its place from 0 to 1, what it says, and how it went.

    Nights of one `epoch` judged the same kernel on the same kind of GPU. `flag` is what changed.
    """

    place: float
    label: str
    told: str
    kind: str
    epoch: int
    flag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`reference`: a value whose line is drawn and named, such as 'as fast as compile' at 1."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    reference: tuple[float, str] | None = None


def draw(chart: Chart) -> Markup:
    """The chart with its axis; nothing where no line has a point."""
    values = [
        known
        for line in chart.lines
        for point in line.points
        for known in (point.low, point.value, point.high)
        if known is not None
    ]
    if not values:
        return Markup("")
    if chart.reference is not None:
        values.append(chart.reference[0])
    axis = axis_for(values)
    summary = f"{chart.title}: {len(chart.columns)} nights, {len(chart.lines)} workloads"
    plot = element(
        "svg",
        *_grid(axis, chart.reference),
        *_flags(chart.columns),
        *(_line(line, place, chart.columns, axis) for place, line in enumerate(chart.lines)),
        *_strip(chart.columns),
        *_dates(chart.columns),
        *_targets(chart.columns),
        class_="plot",
        height=str(HEIGHT_PX),
        role="img",
        aria_label=summary,
    )
    return element("div", _scale(axis), plot, class_="chart")


def legend(lines: Sequence[Line], reference: tuple[float, str] | None) -> Markup:
    """Which mark is which workload, and what the dashed line says."""
    rows = [
        element(
            "span",
            element(
                "svg",
                element("g", line_mark(place, "8", 8), class_=f"line-{place}"),
                class_="key",
                aria_hidden="true",
            ),
            line.name,
        )
        for place, line in enumerate(lines)
    ]
    if reference is not None:
        dashes = element("svg", _rule("reference", ("0", "100%"), (8, 8)), class_="key")
        rows.append(element("span", dashes, reference[1]))
    return element("p", *rows, class_="legend")


def _x(place: float) -> str:
    return f"{100 * (_INSET + (1 - 2 * _INSET) * place):.3f}%"


def _y(value: float, axis: Axis) -> float:
    return _TOP_PX + (1 - axis.share(value)) * (PLOT_PX - _TOP_PX)


def _rule(class_: str, x: tuple[str, str], y: tuple[float, float]) -> Markup:
    return element("line", class_=class_, x1=x[0], x2=x[1], y1=f"{y[0]:.1f}", y2=f"{y[1]:.1f}")


def _scale(axis: Axis) -> Markup:
    """The names of the axis's lines, in a column of their own that does not stretch."""
    texts = [
        element("text", tick_text(tick), x="42", y=f"{_y(tick, axis) + 4:.1f}", text_anchor="end")
        for tick in axis.ticks()
    ]
    return element(
        "svg", *texts, class_="scale", width="46", height=str(HEIGHT_PX), aria_hidden="true"
    )


def _grid(axis: Axis, reference: tuple[float, str] | None) -> list[Markup]:
    ticks = [(_y(tick, axis), "grid") for tick in axis.ticks()]
    parts = [_rule(kind, ("0", "100%"), (y, y)) for y, kind in ticks]
    if reference is not None:
        y = _y(reference[0], axis)
        parts.append(_rule("reference", ("0", "100%"), (y, y)))
    return parts


def _flags(columns: Sequence[Column]) -> list[Markup]:
    """Where another kernel, GPU or software began."""
    parts, free_from = [], 0.0
    for column in columns:
        if not column.flag:
            continue
        x = _x(column.place)
        parts.append(_rule("flag", (x, x), (_TOP_PX - 8, PLOT_PX + STRIP_PX)))
        # Two names in one place would be none; the night's own words have each of them.
        if column.place >= free_from:
            anchor = "end" if column.place > 0.7 else "start"
            shift = "-4" if anchor == "end" else "4"
            label = element("text", column.flag, x=x, y="9", dx=shift, text_anchor=anchor)
            parts.append(element("g", label, class_="flag-name"))
            free_from = column.place + _NAME_SHARE
    return parts


def _line(line: Line, place: int, columns: Sequence[Column], axis: Axis) -> Markup:
    parts = []
    for before, after in pairwise(line.points):
        ends = columns[before.column], columns[after.column]
        if ends[0].epoch == ends[1].epoch:
            x = _x(ends[0].place), _x(ends[1].place)
            parts.append(_rule("joined", x, (_y(before.value, axis), _y(after.value, axis))))
    for point in line.points:
        x0 = _x(columns[point.column].place)
        if point.low is not None and point.high is not None:
            ends_y = _y(point.low, axis), _y(point.high, axis)
            parts.append(_rule("whisker", (x0, x0), ends_y))
        parts.append(line_mark(place, x0, _y(point.value, axis)))
    return element("g", *parts, class_=f"series line-{place % MAX_LINES}")


def _strip(columns: Sequence[Column]) -> list[Markup]:
    """One mark a night below the plot: nights without a figure are seen here."""
    y = PLOT_PX + STRIP_PX / 2 + 2
    base = _rule("base", ("0", "100%"), (PLOT_PX + 2, PLOT_PX + 2))
    return [base, *(status_mark(column.kind, _x(column.place), y) for column in columns)]


def _dates(columns: Sequence[Column]) -> list[Markup]:
    """The first and the last night; one in between where there is room."""
    named = {0: "start", len(columns) - 1: "end"} if len(columns) > 1 else {0: "middle"}
    y = str(HEIGHT_PX - 5)
    return [
        element("text", columns[at].label, x=_x(columns[at].place), y=y, text_anchor=anchor)
        for at, anchor in named.items()
    ]


def _targets(columns: Sequence[Column]) -> list[Markup]:
    """A column's whole height answers to the pointer: a mark of 6 pixels is hard to hit."""
    places = [_INSET + (1 - 2 * _INSET) * column.place for column in columns]
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    edges = [0.0, *middles, 1.0]
    return [
        element(
            "g",
            element("title", column.told),
            element(
                "rect",
                x=f"{100 * left:.3f}%",
                y="0",
                width=f"{100 * (right - left):.3f}%",
                height=str(HEIGHT_PX),
            ),
            _rule("cross", (_x(column.place), _x(column.place)), (_TOP_PX, PLOT_PX)),
            class_="night",
        )
        for column, left, right in zip(columns, edges[:-1], edges[1:], strict=True)
    ]
