"""A kernel's history: its nights as charts, and as a table that needs no script.

Owns which figures become a chart, and what a night is said to be. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from runner.html_parts import Markup, element, fold, join, paragraph, section, table
from runner.night_record import KernelNight, NightStatus, NightTiming
from runner.site.chart import MAX_LINES, Chart, Column, Line, Point, draw, legend, status_mark
from runner.site.standing import BASELINES_BY_RANK
from runner.timing_text import ABSENT, ms_text, ratio_text

STATUS_NOTES = {
    NightStatus.PASSED: "verified, and as fast as recorded",
    NightStatus.FAILED: "the verifier said no, twice",
    NightStatus.REGRESSED: "correct, but slower, in two runs",
    NightStatus.UNCLEAR: "correct; its speed is suspected, not settled",
    NightStatus.NOT_COMPARABLE: "correct; no verdict on speed",
    NightStatus.NOT_RUN: "no verdict of any kind",
}
Reading = Callable[[NightTiming], tuple[float, float | None, float | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of a workload that a chart shows."""

    title: str
    reading: Reading
    reference: tuple[float, str] | None = None


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
    columns = _columns(nights)
    workloads = list(
        dict.fromkeys(str(timing.workload) for row in nights for timing in row.timings)
    )
    shown = workloads[:MAX_LINES]
    charts = []
    for measure in _measures(nights):
        lines = tuple(Line(name=name, points=_points(nights, name, measure)) for name in shown)
        chart = Chart(
            title=measure.title, columns=columns, lines=lines, reference=measure.reference
        )
        body = [element("figcaption", measure.title), draw(chart), legend(lines)]
        charts.append(element("figure", *body))
    left_out = len(workloads) - len(shown)
    more = f"{left_out} further workloads are in the table." if left_out else ""
    parts = [element("div", *charts, class_="charts")] if charts else [_strip_alone(columns)]
    parts.append(_status_legend(nights))
    if more:
        parts.append(paragraph(more, class_="quiet"))
    return [*parts, fold(f"All {len(nights)} nights as a table", _night_table(nights))]


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
            title=f"Ratio to {name}",
            reading=_ratio_to(name),
            reference=(1.0, f"as fast as {name}"),
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
        flags = known.changes(row)
        epoch += bool({"new kernel", "other GPU"} & set(flags))
        columns.append(
            Column(
                place=_place(row.night, first, last),
                label=row.night.isoformat(),
                told=told(row),
                kind=row.status.value,
                epoch=epoch,
                flag=", ".join(flags),
            )
        )
    return tuple(columns)


def _place(night: date, first: date, last: date) -> float:
    days = (last - first).days
    return (night - first).days / days if days else 0.5


class _Known:
    """What the nights so far ran with, so that a change is seen past nights that ran nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, object] = {}

    def changes(self, row: KernelNight) -> list[str]:
        """What is no longer as it was when it was last known."""
        machine = row.environment
        now: dict[str, object] = {"new kernel": row.kernel_sha256}
        if machine is not None:
            now["other GPU"] = machine.gpu
            now["other torch"] = machine.torch
            now["other Triton"] = machine.triton
            now["other driver"] = machine.driver
        known = {name: value for name, value in now.items() if value is not None}
        changed = [name for name in known if self._seen.get(name, known[name]) != known[name]]
        self._seen.update(known)
        return changed


def told(row: KernelNight) -> str:
    """All figures of a night, one fact a line: what the pointer and a screen reader get."""
    lines = [f"{row.night.isoformat()}: {row.status.value}"]
    for timing in row.timings:
        lines.append(f"{timing.workload}: {ms_text(timing.median_ms)}")
        lines += [
            f"  {known.name} {ratio_text(known.ratio)} "
            f"[{ratio_text(known.low)}, {ratio_text(known.high)}]"
            for known in timing.baselines
        ]
    if row.failure is not None:
        lines.append(row.failure.summary)
        if row.failure.workload is not None:
            lines.append(f"fails at {row.failure.workload}")
    lines += row.notes
    if row.environment is not None:
        machine = row.environment
        lines.append(
            f"{machine.gpu or 'no GPU'}, torch {machine.torch}, triton {machine.triton}"
            + (f", driver {machine.driver}" if machine.driver else "")
        )
    return "\n".join(lines)


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


def _night_table(nights: Sequence[KernelNight]) -> Markup:
    """The latest night first."""
    rows: list[tuple[str, ...]] = []
    bad: list[int] = []
    for row in reversed(nights):
        if row.status in (NightStatus.FAILED, NightStatus.REGRESSED):
            bad.append(len(rows))
        machine = row.environment
        rows.append(
            (
                row.night.isoformat(),
                row.status.value,
                join(element("div", line) for line in _timing_lines(row)) or ABSENT,
                (machine.gpu or "no GPU") if machine else ABSENT,
                f"torch {machine.torch}, triton {machine.triton}" if machine else ABSENT,
                (row.kernel_sha256 or ABSENT)[:12],
                "; ".join([*([row.failure.summary] if row.failure else []), *row.notes]),
            )
        )
    header = ("night", "verdict", "ratios [95 %]", "GPU", "software", "kernel", "notes")
    return table(header, rows, bad_rows=bad)


def _timing_lines(row: KernelNight) -> list[str]:
    return [
        f"{timing.workload}, {known.name}: {ratio_text(known.ratio)} "
        f"[{ratio_text(known.low)}, {ratio_text(known.high)}]"
        for timing in row.timings
        for known in timing.baselines
    ]
