"""How measured times read: the cells of the two timing tables, and each figure's words.

Owns the numbers' formats, so that a terminal, a README, a page and a prompt say the same thing.
Escapes nothing and measures nothing.
"""

from __future__ import annotations

from typing import Literal

from runner.contract import (
    NOT_MEASURED,
    BaselineTiming,
    Evaluation,
    EvaluationStatus,
    Performance,
    WorkloadTiming,
)

Standing = Literal["faster", "slower", "no significant difference"]

TIME_HEADER = ("workload", "kernel", "baseline", "its median", "ratio [95 %]", "this kernel is")
WORK_HEADER = ("workload", "GB/s", "TFLOP/s", "of roofline", "bound by", "at best")
ABSENT = "–"  # noqa: RUF001 - the sign for 'none', in a table's cell
RATIO_NOTE = (
    "A ratio above 1: this kernel is faster. In brackets its 95 % interval; where that covers 1, "
    "there is no significant difference."
)


def standing(baseline: BaselineTiming) -> Standing:
    """What the interval of the ratio allows to say."""
    if baseline.ratio_low > 1:
        return "faster"
    return "slower" if baseline.ratio_high < 1 else "no significant difference"


def time_cells(performance: Performance) -> list[tuple[str, ...]]:
    """One row for each workload and baseline, under `TIME_HEADER`."""
    rows: list[tuple[str, ...]] = []
    for timing in performance.timings:
        own = (str(timing.workload), ms_text(timing.median_ms))
        rows += [
            (*own, row.name, ms_text(row.median_ms), interval_text(row), standing(row))
            for row in timing.baselines
        ] or [(*own, *[ABSENT] * 4)]
    return rows


def work_cells(performance: Performance) -> list[tuple[str, ...]]:
    """One row for each workload, under `WORK_HEADER`."""
    return [
        (
            str(timing.workload),
            ABSENT if timing.gb_per_s is None else f"{timing.gb_per_s:,.0f}",
            ABSENT if timing.tflop_per_s is None else f"{timing.tflop_per_s:.4g}",
            ABSENT if timing.roofline_share is None else f"{timing.roofline_share:.0%}",
            timing.bound or ABSENT,
            ABSENT if timing.floor_ms is None else ms_text(timing.floor_ms),
        )
        for timing in performance.timings
    ]


def has_work(performance: Performance) -> bool:
    """Whether the second table says anything."""
    return any(cell != ABSENT for row in work_cells(performance) for cell in row[1:])


def measurement_notes(performance: Performance) -> list[str]:
    """How the times were taken and what was left out, as sentences."""
    calls = sorted({timing.calls for timing in performance.timings})
    count = str(calls[0]) if len(calls) == 1 else f"{calls[0]} to {calls[-1]}"
    processes = performance.fresh_processes
    notes = [
        f"Medians of {count} calls for each workload, in "
        f"{processes} fresh {'process' if processes == 1 else 'processes'}."
    ]
    gaps = [gap for gap in map(clock_gap, performance.timings) if gap is not None]
    if gaps:
        notes.append(f"Two clocks, one outside of the worker, differ by {max(gaps):.1%} at most.")
    if performance.own_share is not None:
        notes.append(f"{performance.own_share:.1%} of the GPU's kernel time is the kernel's own.")
    notes += [
        f"Not timed, {name}: {why.rstrip('.')}." for name, why in performance.not_timed.items()
    ]
    return notes


def clock_gap(timing: WorkloadTiming) -> float | None:
    """By which share of the judge's own clock the two clocks differ."""
    if timing.clock_ms is None or timing.span_ms is None:
        return None
    return abs(timing.clock_ms - timing.span_ms) / timing.clock_ms


def why_not_measured(evaluation: Evaluation) -> str:
    """Why an evaluation without performance has none."""
    if evaluation.device == "cpu":
        return NOT_MEASURED
    if evaluation.status is EvaluationStatus.PASSED:
        return "not measured: timing was not part of this verdict"
    return "not measured: only a kernel that passes every check is timed"


def ms_text(value_ms: float) -> str:
    """Milliseconds with four digits."""
    return f"{value_ms:.4g} ms"


def ratio_text(ratio: float) -> str:
    """A ratio with three decimals, with four digits from 10 on."""
    return f"{ratio:.3f}" if ratio < 10 else f"{ratio:.4g}"


def interval_text(baseline: BaselineTiming) -> str:
    """The ratio with its 95 % interval."""
    low, high = ratio_text(baseline.ratio_low), ratio_text(baseline.ratio_high)
    return f"{ratio_text(baseline.ratio)} [{low}, {high}]"
