"""What compiled kernels cost, in words and as an order of kernels that passed. Torch-free.

Owns the arithmetic of occupancy (CUDA C++ programming guide, technical specifications for each
compute capability; NVIDIA Hopper tuning guide) and both orders: by time where a GPU took it, by
static resources where nothing was timed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runner.contract import Evaluation, EvaluationStatus, KernelResources, Performance

MAX_SHARED_BYTES = 232_448  # 227 KiB a block, on sm_90
_RESERVED_SHARED_BYTES = 1024  # the system's own, for each block
_REGISTERS = 65_536
_WARP_THREADS = 32

Limiter = Literal["registers", "shared memory", "blocks", "warps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Multiprocessor:
    """What one multiprocessor can hold at a time."""

    warps: int
    blocks: int
    shared_bytes: int


_TARGETS = {
    "sm_80": _Multiprocessor(warps=64, blocks=32, shared_bytes=164 << 10),
    "sm_86": _Multiprocessor(warps=48, blocks=16, shared_bytes=100 << 10),
    "sm_89": _Multiprocessor(warps=48, blocks=24, shared_bytes=100 << 10),
    "sm_90": _Multiprocessor(warps=64, blocks=32, shared_bytes=228 << 10),
    "sm_100": _Multiprocessor(warps=64, blocks=32, shared_bytes=228 << 10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """How many blocks of a kernel one multiprocessor holds, and the share of its warps, 0 to 1.

    `limiter` is the scarcest resource; None where every warp is resident.
    """

    blocks: int
    share: float
    limiter: Limiter | None


def residency(row: KernelResources) -> Residency | None:
    """What one multiprocessor of `row.target` holds; None for a target that is not known here."""
    has = _TARGETS.get(row.target.rstrip("abcdefghijklmnopqrstuvwxyz"))
    if has is None:
        return None
    # Registers are given out in units of 256 a warp.
    per_warp = -(-row.registers * _WARP_THREADS // 256) * 256
    room: dict[Limiter, int] = {
        # In this order: where two are equally scarce, the first is named.
        "warps": has.warps // row.num_warps,
        "registers": _REGISTERS // max(1, per_warp) // row.num_warps,
        "shared memory": has.shared_bytes // (row.shared_bytes + _RESERVED_SHARED_BYTES),
        "blocks": has.blocks,
    }
    scarcest = min(room, key=lambda name: room[name])
    share = room[scarcest] * row.num_warps / has.warps
    return Residency(blocks=room[scarcest], share=share, limiter=None if share == 1.0 else scarcest)


def occupancy(row: KernelResources) -> float | None:
    """The share of a multiprocessor's warps that this kernel can keep resident, 0 to 1."""
    held = residency(row)
    return None if held is None else held.share


def rank(evaluation: Evaluation) -> tuple[float, ...]:
    """The order of PASSED evaluations: smaller is better. What was timed comes before the rest.

    Raises ValueError for an evaluation that did not pass.
    """
    if evaluation.performance is None:
        return (1.0, *resource_rank(evaluation))
    return (0.0, *performance_rank(evaluation))


def performance_rank(evaluation: Evaluation) -> tuple[float, ...]:
    """The order of timed evaluations: smaller is better.

    First the number of workloads that were timed, more of them first, because a mean over fewer is
    no better mean; then the geometric mean over workloads of the kernel's median time in ms, in
    which every workload weighs the same however long it takes. Raises ValueError where nothing was
    timed.
    """
    performance = evaluation.performance
    if performance is None:
        raise ValueError("only evaluations with a measured time have this rank")
    return (-float(len(performance.timings)), geometric_mean_ms(performance))


def geometric_mean_ms(performance: Performance) -> float:
    """The kernel's median time, as the geometric mean over the timed workloads."""
    logs = [math.log(timing.median_ms) for timing in performance.timings]
    return math.exp(math.fsum(logs) / len(logs))


def resource_rank(evaluation: Evaluation) -> tuple[float, ...]:
    """The static order of PASSED evaluations where nothing was timed: smaller is better.

    Compared in this order, over all compiled workloads: bytes spilled per thread (traffic that
    buys nothing); kernels launched (each is a pass over memory); then the share of warps that
    cannot be resident, the mean over launches, in steps of 1/16, because less is noise; shared
    bytes a block; registers a thread. Raises ValueError for an evaluation that did not pass.
    """
    if evaluation.status is not EvaluationStatus.PASSED:
        raise ValueError(f"only PASSED evaluations have a rank, not {evaluation.status}")
    rows = evaluation.resources
    known = [held.share for held in map(residency, rows) if held is not None]
    idle = sum(1.0 - share for share in known) / max(1, len(known))
    return (
        float(sum(row.spill_bytes for row in rows)),
        float(len(rows)),
        float(round(idle * 16)),
        sum(row.shared_bytes for row in rows) / len(rows),
        sum(row.registers for row in rows) / len(rows),
    )


def describe_resources(rows: Sequence[KernelResources], notes: Sequence[str]) -> str:
    """One line a kernel and workload, equal ones together, then what the assembler noted."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        lines.setdefault(resource_figures(row), []).append(str(row.workload))
    text = [f"{figures} ({'; '.join(dict.fromkeys(places))})" for figures, places in lines.items()]
    return "\n".join([*text, *(f"assembler: {note}" for note in notes)])


def resource_figures(row: KernelResources) -> str:
    """One compiled kernel on one line, with what limits its occupancy where that is known."""
    spills = f"{row.spill_bytes} B spilled" if row.spill_bytes else "no spills"
    text = (
        f"{row.kernel} on {row.target}: {row.registers} registers, {spills}, "
        f"{row.shared_bytes} B shared, {row.num_warps} warps, {row.num_stages} stages"
    )
    held = residency(row)
    if held is None:
        return text
    limit = f", limited by {held.limiter}" if held.limiter else ""
    return f"{text}, occupancy {held.share:.0%}{limit}"
