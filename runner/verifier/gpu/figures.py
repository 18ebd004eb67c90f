"""Figures of several processes put together, and what a worker's launches cost. Runs nothing.

Owns how intervals join, and that registers and spills are the judge's assembler's, not a worker's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from runner.contract import BaselineTiming, KernelResources, Workload, WorkloadTiming
from runner.verifier.assembler import Assembled
from runner.verifier.finding import first_line
from runner.verifier.gpu.statistics import Bursts, Ratio, hull, median_ms

# What a worker may report of one call. JSON knows numbers that no float can hold.
_MAX_ROWS = 256
_MAX_COUNT = (1 << 31) - 1


def join_timings(runs: Sequence[tuple[WorkloadTiming, ...]]) -> tuple[WorkloadTiming, ...]:
    """The timings of several processes as one: medians, and intervals that hold all of theirs."""
    if len(runs) < 2:
        return runs[0] if runs else ()
    joined: list[WorkloadTiming] = []
    for rows in zip(*runs, strict=True):
        middle = sorted(rows, key=lambda row: row.median_ms)[(len(rows) - 1) // 2]
        baselines = tuple(_join_baselines(name, rows) for name in _common_names(rows))
        calls = sum(row.calls for row in rows)
        joined.append(middle.model_copy(update={"baselines": baselines, "calls": calls}))
    return tuple(joined)


def _common_names(rows: Sequence[WorkloadTiming]) -> list[str]:
    return [
        baseline.name
        for baseline in rows[0].baselines
        if all(any(b.name == baseline.name for b in row.baselines) for row in rows)
    ]


def _join_baselines(name: str, rows: Sequence[WorkloadTiming]) -> BaselineTiming:
    found = [b for row in rows for b in row.baselines if b.name == name]
    ratio = hull([Ratio(value=b.ratio, low=b.ratio_low, high=b.ratio_high) for b in found])
    times = sorted(b.median_ms for b in found)
    return BaselineTiming(
        name=name,
        median_ms=times[(len(times) - 1) // 2],
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
    )


def baseline_timing(name: str, bursts: Bursts, ratio: Ratio) -> BaselineTiming:
    """One baseline beside the candidate."""
    return BaselineTiming(
        name=name,
        median_ms=median_ms(bursts),
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
    )


def resources_of(
    reply: Mapping[str, Any], workload: Workload, reports: Mapping[str, Assembled]
) -> list[KernelResources]:
    """What was launched, with registers and spills as the judge's own assembler reported them."""
    rows = reply.get("kernels")
    found: list[KernelResources] = []
    major, minor = torch.cuda.get_device_capability()
    target = f"sm_{major}{minor}"
    for row in rows[:_MAX_ROWS] if isinstance(rows, list) else ():
        report = reports.get(str(row.get("ptx_sha256"))) if isinstance(row, dict) else None
        if report is None:
            continue
        try:
            found.append(
                KernelResources(
                    kernel=first_line(str(row["kernel"]), 100),
                    workload=workload,
                    target=target,
                    registers=report.registers,
                    spill_bytes=report.spill_bytes,
                    shared_bytes=_count(row["shared_bytes"], 0),
                    num_warps=_count(row["num_warps"], 1),
                    num_stages=_count(row["num_stages"], 0),
                    grid=tuple(_count(size, 0) for size in row["grid"][:3]),
                    launches=_count(row["launches"], 1),
                )
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    return found


def _count(value: Any, least: int) -> int:
    return max(least, min(_MAX_COUNT, int(value)))
