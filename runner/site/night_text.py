"""What is said of one night: its facts as lines, and all nights as a table.

Owns the words. Both say the same; the lines are for a chart's readout, the table needs no script.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.html_parts import Markup, element, join, table
from runner.night_record import KernelNight, NightStatus
from runner.timing_text import ABSENT, ms_text, ratio_text


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


def night_table(nights: Sequence[KernelNight]) -> Markup:
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
