"""Calls of a candidate that was right: without its kernels, and with the compiler's inputs.

Owns what is asked once more, the latter on a CPU alone. Judge's side; what comes back can only fail
a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.contract import EvaluationStatus
from runner.problem import Problem
from runner.verifier.arena import SharedMemory, Slot
from runner.verifier.comparison import compare
from runner.verifier.finding import Finding
from runner.verifier.integrity import Facts
from runner.verifier.layouts import behind, input_slots
from runner.verifier.oracle import Oracle, PreparedCase
from runner.verifier.outputs import read_outputs
from runner.verifier.process import WorkerFailed, WorkerProcess

# One call, on inputs that lie so, with launches that do nothing: the worker's reply.
IdleCall = Callable[[PreparedCase, dict[str, Slot]], dict[str, Any]]


def judge_without_kernels(
    problem: Problem, oracle: Oracle, arena: SharedMemory, call: IdleCall
) -> Finding | None:
    """Kernels do something when answers are wrong without them: every case of the smallest
    workload again, until one comes out wrong.

    An output that is kept for reuse still holds the last answer, so that case is not asked.
    """
    first = oracle.cases[0].workload
    numbers = [n for n, case in enumerate(oracle.cases) if case.workload == first][:-1]
    if not numbers or not all(
        _is_right(problem, oracle.case(number), arena, call) for number in numbers
    ):
        return None
    return Finding(
        status=EvaluationStatus.CHEATED,
        stage="integrity",
        summary="its kernels add nothing: without them every answer is the same",
        detail="The answers must come from its own Triton kernels. With every launch doing "
        f"nothing {len(numbers)} calls still gave the right numbers.",
    )


def _is_right(
    problem: Problem, prepared: PreparedCase, arena: SharedMemory, call: IdleCall
) -> bool:
    names = [spec.name for spec in problem.inputs]
    slots = dict(zip(names, input_slots(problem, prepared.case), strict=True))
    if not any(truth.exact.numel() for truth in prepared.expected):
        return False
    try:
        reply = call(prepared, slots)
    except WorkerFailed:
        return False
    if reply.get("ok") is not True:
        return False
    outputs = read_outputs(problem, prepared.case, reply, arena, "integrity")
    if isinstance(outputs, Finding):
        return False
    return all(
        compare(found, expected, problem.tolerance.multiplier).passed
        for found, expected in zip(outputs, prepared.expected, strict=True)
    )


def path_on_zeros(
    problem: Problem, worker: WorkerProcess, slots: tuple[Slot, ...], deadline: float, *, idle: bool
) -> frozenset[str] | None:
    """The launches, and the blocks that run, for inputs of zeros and the seed 0, as the compiler's
    worker has them; None where the call fails.

    `idle`: no program runs, as there: what the host code reads is then the same in both.
    """
    build = {"op": "build", "seed": 0, "draws": None, "fixed": []}
    call = {
        "op": "call",
        "inputs": [slot.to_json() for slot in slots],
        "outputs_at": behind(slots),
        "precise": False,
        "seed": 0,
        "idle": idle,
    }
    worker.arena.fill(0, worker.arena.size_bytes)
    try:
        if problem.module is not None:
            worker.ask(build, deadline)
        reply = worker.ask(call, deadline)
    except WorkerFailed:
        return None
    return Facts.from_reply(reply).blocks if reply.get("ok") is True else None
