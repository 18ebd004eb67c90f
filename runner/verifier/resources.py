"""What compiled kernels cost, in words and as a static order. Torch-free.

Owns the arithmetic of occupancy on sm_90 (NVIDIA Hopper tuning guide: 64 warps, 65,536 registers
and 228 KiB of shared memory a multiprocessor, 32 blocks; CUDA C++ programming guide, table of
technical specifications). Knows nothing of time: without a GPU nothing is timed.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.contract import Evaluation, EvaluationStatus, KernelResources

MAX_SHARED_BYTES = 232_448  # 227 KiB a block
_SM_SHARED_BYTES = 233_472
_RESERVED_SHARED_BYTES = 1024  # the system's own, for each block
_SM_REGISTERS = 65_536
_SM_WARPS = 64
_SM_BLOCKS = 32
_WARP_THREADS = 32


def occupancy(resources: KernelResources) -> float:
    """The share of a multiprocessor's 64 warps that this kernel can keep resident, 0 to 1."""
    # Registers are given out in units of 256 a warp.
    per_warp = -(-resources.registers * _WARP_THREADS // 256) * 256
    by_registers = _SM_REGISTERS // max(1, per_warp) // resources.num_warps
    by_shared = _SM_SHARED_BYTES // (resources.shared_bytes + _RESERVED_SHARED_BYTES)
    blocks = min(_SM_BLOCKS, _SM_WARPS // resources.num_warps, by_registers, by_shared)
    return blocks * resources.num_warps / _SM_WARPS


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
    idle = sum(1.0 - occupancy(row) for row in rows) / len(rows)
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
        lines.setdefault(_figures(row), []).append(str(row.workload))
    text = [f"{figures} ({'; '.join(dict.fromkeys(places))})" for figures, places in lines.items()]
    return "\n".join([*text, *(f"assembler: {note}" for note in notes)])


def _figures(row: KernelResources) -> str:
    spills = f"{row.spill_bytes} B spilled" if row.spill_bytes else "no spills"
    return (
        f"{row.kernel} on {row.target}: {row.registers} registers, {spills}, "
        f"{row.shared_bytes} B shared, {row.num_warps} warps, {row.num_stages} stages, "
        f"occupancy {occupancy(row):.0%}"
    )
