"""A kernel's history: its nights as charts, and as a table that needs no script.

Owns which figures become a chart, and what a night is said to be. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from runner.headline import baseline_label
from runner.html_parts import Markup, element, fold, paragraph, section
from runner.night_record import KernelNight, NightStatus, NightTiming
from runner.site.chart import Chart, Column, Line, Point, draw, legend
from runner.site.marks import MAX_LINES, status_mark
from runner.site.night_text import night_table, told
from runner.site.standing import BASELINES_BY_RANK

# A page with more would take megabytes, and its marks could not be told apart.
MAX_CHART_NIGHTS = 120
STATUS_NOTES = {
    NightStatus.PASSED: "verified, and as fast as recorded",
    NightStatus.FAILED: "the verifier said no, twice",
    NightStatus.REGRESSED: "correct, but slower, in several runs",
    NightStatus.UNCLEAR: "correct; its speed is suspected, not settled",
    NightStatus.NOT_COMPARABLE: "correct; no verdict on speed",
    NightStatus.NOT_RUN: "no verdict of any kind",
}
Reading = Callable[[NightTiming], tuple[float, float | None, float | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of a workload that a chart shows.

    `against_record`: it compares the kernel with itself, and so has a chart beside the others.
    """

    title: str
    reading: Reading
    reference: tuple[float, str] | None = None
    against_record: bool = False


def history_section(nights: Sequence[KernelNight]) -> Markup:
    """The nights of one kernel, in the order of time; a sentence where there were none."""
    if not nights:
        none = paragraph("No night has looked at this kernel yet.", class_="quiet")
        return section("History", none, id_="history")
    parts: list[Markup] = []
    legs = sorted({row.leg for row in nights}, key=lambda leg: (leg != "pinned", leg))
    for leg in legs:
        rows = [row for row in nights if row.leg == leg]
        if len(legs) > 1:
            parts.append(element("h3", f"Versions: {leg}"))
        parts += _leg(rows)
    note = (
        "Every night judges the kernel with fresh secret inputs and times it between its "
        "baselines. A ratio is what counts: clocks and drivers move both of its sides."
    )
    return section("History", paragraph(note, class_="quiet"), *parts, id_="history")


def _leg(nights: Sequence[KernelNight]) -> list[Markup]:
    """The latest nights as charts, and all of them as a table."""
    drawn = nights[-MAX_CHART_NIGHTS:]
    workloads = list(dict.fromkeys(str(timing.workload) for row in drawn for timing in row.timings))
    groups = _chart_groups(drawn, workloads[:MAX_LINES])
    parts = [element("div", *groups, class_="history") if groups else _strip_alone(_columns(drawn))]
    parts.append(_status_legend(nights))
    left_out = [
        f"{count} {name} are in the table only."
        for count, name in (
            (len(nights) - len(drawn), "earlier nights"),
            (len(workloads) - MAX_LINES, "further workloads"),
        )
        if count > 0
    ]
    if left_out:
        parts.append(paragraph(" ".join(left_out), class_="quiet"))
    return [*parts, fold(f"As a table ({len(nights)})", night_table(nights))]


def _chart_groups(nights: Sequence[KernelNight], workloads: Sequence[str]) -> list[Markup]:
    """The charts to choose one of, and the one of the kernel against its record."""
    columns = _columns(nights)
    figures: dict[bool, list[Markup]] = {False: [], True: []}
    for measure in _measures(nights):
        lines = tuple(Line(name=name, points=_points(nights, name, measure)) for name in workloads)
        chart = Chart(
            title=measure.title, columns=columns, lines=lines, reference=measure.reference
        )
        body = [element("figcaption", measure.title), draw(chart), legend(lines, measure.reference)]
        figures[measure.against_record].append(element("figure", *body))
    return [element("div", *group, class_="charts") for group in figures.values() if group]


def _strip_alone(columns: Sequence[Column]) -> Markup:
    """Nights without a single figure: how they went is all there is."""
    marks = [
        element(
            "li",
            element("svg", status_mark(column.kind, "8", 8), class_="key", aria_hidden="true"),
            column.told,
        )
        for column in columns
    ]
    return element("ul", *marks, class_="nights")


def _measures(nights: Sequence[KernelNight]) -> list[Measure]:
    """Ratios to each baseline, the best known first; then what they say of the kernel alone."""
    timings = [timing for row in nights for timing in row.timings]
    names = dict.fromkeys(row.name for timing in timings for row in timing.baselines)
    rank = {name: place for place, name in enumerate(BASELINES_BY_RANK)}
    ordered = sorted(names, key=lambda name: rank.get(name, len(rank)))
    measures = [
        Measure(
            title=f"Times as fast as {baseline_label(name)}",
            reading=_ratio_to(name),
            reference=(1.0, f"as fast as {baseline_label(name)}"),
        )
        for name in ordered
    ]
    if any(timing.speed is not None for timing in timings):
        own = Measure(
            title="Speed against the record",
            reading=lambda timing: (
                None
                if timing.speed is None
                else (timing.speed, timing.speed_low, timing.speed_high)
            ),
            reference=(1.0, "as recorded"),
            against_record=True,
        )
        measures.append(own)
    if timings:
        title = "Median time of a call, ms"
        measures.append(Measure(title=title, reading=lambda row: (row.median_ms, None, None)))
    return measures


def _ratio_to(name: str) -> Reading:
    def reading(timing: NightTiming) -> tuple[float, float | None, float | None] | None:
        for row in timing.baselines:
            if row.name == name:
                return row.ratio, row.low, row.high
        return None

    return reading


def _points(nights: Sequence[KernelNight], workload: str, measure: Measure) -> tuple[Point, ...]:
    points = []
    for column, row in enumerate(nights):
        for timing in row.timings:
            read = measure.reading(timing) if str(timing.workload) == workload else None
            if read is not None:
                points.append(Point(column=column, value=read[0], low=read[1], high=read[2]))
    return tuple(points)


def _columns(nights: Sequence[KernelNight]) -> tuple[Column, ...]:
    """Each night at its date. A new epoch begins with another kernel or another GPU."""
    first, last = nights[0].night, nights[-1].night
    columns: list[Column] = []
    epoch, known = 0, _Known()
    for row in nights:
        changes = known.changes(row)
        epoch += bool(_NEW_EPOCH & set(changes))
        flag = ", ".join(changes.values())
        columns.append(
            Column(
                place=_place(row.night, first, last),
                label=row.night.isoformat(),
                told=told(row) + (f"\nchanged: {flag}" if flag else ""),
                kind=row.status.value,
                epoch=epoch,
                flag=flag,
            )
        )
    return tuple(columns)


def _place(night: date, first: date, last: date) -> float:
    days = (last - first).days
    return (night - first).days / days if days else 0.5


# What the line of a chart does not cross: on its two sides stand figures of different things.
_NEW_EPOCH = frozenset({"kernel", "GPU"})


class _Known:
    """What the nights so far ran with, so that a change is seen past nights that ran nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def changes(self, row: KernelNight) -> dict[str, str]:
        """What is no longer as it was when it was last known, and what it is now."""
        machine = row.environment
        now = {"kernel": row.kernel_sha256}
        if machine is not None:
            now |= {"GPU": machine.gpu, "torch": machine.torch}
            now |= {"triton": machine.triton, "driver": machine.driver}
        known = {name: value for name, value in now.items() if value is not None}
        changed = {
            name: f"{name} {value[:12]}" if name != "GPU" else value.removeprefix("NVIDIA ")
            for name, value in known.items()
            if self._seen.get(name, value) != value
        }
        self._seen.update(known)
        return changed


def _status_legend(nights: Sequence[KernelNight]) -> Markup:
    counts = {status: sum(row.status is status for row in nights) for status in NightStatus}
    rows = [
        element(
            "span",
            element("svg", status_mark(status.value, "8", 8), class_="key", aria_hidden="true"),
            f"{count} {status.value}: {STATUS_NOTES[status]}",
        )
        for status, count in counts.items()
        if count
    ]
    return element("p", *rows, class_="legend quiet")
