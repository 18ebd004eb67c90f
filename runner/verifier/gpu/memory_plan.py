"""Who gets how much of the GPU's memory, and which workloads are too large for it.

Owns the arithmetic. A workload that does not fit is reported as such, never as a candidate's
failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from runner.contract import Workload
from runner.errors import RunnerError
from runner.problem import Problem
from runner.verifier.finding import Finding
from runner.verifier.gpu.input_sets import room_bytes
from runner.verifier.inputs import Case
from runner.verifier.memory import exhausted, give_back, tells_of_want
from runner.verifier.oracle import arena_bytes

_CONTEXTS_BYTES = 4 << 30  # three CUDA contexts and the libraries' workspaces
# Context, the clock's flush buffer, and the poison in the allocator's pool.
_WORKER_CONTEXT_BYTES = 2 << 30
_CALL_FACTOR = 3  # outputs between guard bands, and as much workspace
_SETS = (8, 6, 4, 3, 2)
_SETS_SHARE = 0.3  # of the GPU's memory, at most, for the inputs of timed calls
_KEEP_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """`cases` and `timed` leave out what does not fit; `too_large` says why, by workload.

    `worker_fraction`: of the GPU's memory, the most that a worker may take. `due_bytes`: what a
    candidate's worker must be able to get; who asks for more, and finds none, is to blame.
    """

    cases: tuple[Case, ...]
    timed: tuple[Workload, ...]
    too_large: dict[str, str]
    candidate_bytes: int
    reference_bytes: int
    keep_bytes: int
    worker_fraction: float
    due_bytes: int


def plan_memory(problem: Problem, cases: Sequence[Case]) -> MemoryPlan:
    """A plan for this GPU. Raises RunnerError when nothing fits."""
    total_bytes = torch.cuda.mem_get_info()[1]
    too_large: dict[str, str] = {}
    for case in cases:
        need = need_bytes(problem, case)
        if need > total_bytes:
            too_large[str(case.workload)] = (
                f"checking it takes about {need / 1e9:.0f} GB; this GPU has {total_bytes / 1e9:.0f}"
            )
    fitting = tuple(case for case in cases if str(case.workload) not in too_large)
    if not fitting:
        reasons = "; ".join(f"{name}: {why}" for name, why in too_large.items())
        raise RunnerError(f"no workload fits into this GPU's memory: {reasons}")
    # What is timed is checked as well; a quick verdict does neither.
    checked = {str(case.workload) for case in fitting}
    timed = tuple(workload for workload in problem.benchmarks if str(workload) in checked)
    room = max(
        [arena_bytes(problem, fitting, wide=False)]
        + [_timing_bytes(problem, workload, total_bytes) for workload in timed]
    )
    reference = arena_bytes(problem, fitting, wide=True)
    fraction = max(0.1, min(0.5, 1 - (room + reference + _CONTEXTS_BYTES) / total_bytes))
    honest = worker_bytes(problem, [case.workload for case in fitting])
    return MemoryPlan(
        cases=fitting,
        timed=timed,
        too_large=too_large,
        candidate_bytes=room,
        reference_bytes=reference,
        keep_bytes=int(_KEEP_SHARE * total_bytes),
        worker_fraction=fraction,
        due_bytes=min(honest, int(fraction * total_bytes)),
    )


def refuse_where_short(finding: Finding | None, due_bytes: int) -> None:
    """Raise DeviceMemoryExhausted where a candidate failed for want of memory, and could not have
    had the `due_bytes` that an honest one takes. Called when its worker has ended.

    Whether memory ran out is only what the worker says; what is free is measured, so that nobody
    talks himself out of a verdict.
    """
    if finding is None or not tells_of_want(f"{finding.summary}\n{finding.detail}"):
        return
    give_back()
    if torch.cuda.mem_get_info()[0] < due_bytes:
        raise exhausted(
            "a candidate could not be judged: the GPU's memory ran out", asked_bytes=due_bytes
        )


def worker_bytes(problem: Problem, workloads: Sequence[Workload]) -> int:
    """What a candidate's worker takes of the GPU beside the arena: a context, and its call."""
    calls = [room_bytes(problem, workload, 1) for workload in workloads]
    return _WORKER_CONTEXT_BYTES + _CALL_FACTOR * max(calls, default=0)


def _timing_bytes(problem: Problem, workload: Workload, total_bytes: int) -> int:
    for sets in _SETS:
        room = room_bytes(problem, workload, sets)
        if room <= _SETS_SHARE * total_bytes:
            return room
    return room_bytes(problem, workload, 1)


def need_bytes(problem: Problem, case: Case) -> int:
    """Both arenas, the judge's own copies and truth, and as much again for the reference."""
    narrow = arena_bytes(problem, [case], wide=False)
    wide = arena_bytes(problem, [case], wide=True)
    return 3 * narrow + 3 * wide + _CONTEXTS_BYTES
