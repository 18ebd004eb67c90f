"""Reads what a candidate returned out of the arena: number, type, shape, dtype, then the bytes.

Owns the verdicts on form. The worker's description is hostile: a lie about it only makes the
bytes wrong.
"""

from __future__ import annotations

from typing import Any

import torch

from runner.contract import EvaluationStatus
from runner.problem import Problem, TensorSpec
from runner.verifier.arena import SharedMemory, Slot
from runner.verifier.finding import Finding
from runner.verifier.inputs import Case


def read_outputs(
    problem: Problem, case: Case, reply: dict[str, Any], arena: SharedMemory, stage: str
) -> list[torch.Tensor] | Finding:
    """Copies of the outputs in the spec's order, or what is wrong with their form."""

    def finding(status: EvaluationStatus, summary: str) -> Finding:
        return Finding(status=status, stage=stage, summary=summary, detail=f"{summary}\nOn {case}.")

    rows = reply.get("outputs")
    rows = rows if isinstance(rows, list) else []
    shape_fault = _count_fault(problem, reply, len(rows))
    if shape_fault:
        return finding(EvaluationStatus.INCORRECT_SHAPE, shape_fault)
    safe = [row if isinstance(row, dict) else {} for row in rows]
    pairs = list(zip(problem.outputs, safe, strict=True))

    def device_fault(spec: TensorSpec, row: dict[str, Any], case: Case) -> Fault | None:
        device, due = str(row.get("device"))[:20], arena.device.type
        if device == due:
            return None
        told = f"{spec.name} is on device {device}, its inputs are on {due}"
        return EvaluationStatus.RUNTIME_ERROR, told

    for check in (_type_fault, device_fault, _shape_fault, _dtype_fault):
        for spec, row in pairs:
            fault = check(spec, row, case)
            if fault is not None:
                return finding(*fault)
    try:
        # One copy, then all decisions on the copy: the worker may still be writing.
        return [arena.tensor(Slot.from_json(row)).clone() for _, row in pairs]
    except ValueError as error:
        return finding(EvaluationStatus.RUNTIME_ERROR, f"the outputs cannot be read: {error}")


Fault = tuple[EvaluationStatus, str]


def _count_fault(problem: Problem, reply: dict[str, Any], count: int) -> str | None:
    due = len(problem.outputs)
    if due == 1 and reply.get("several") is True:
        kind = str(reply.get("returned"))[:60]
        return f"{problem.entry} returned a {kind} of {count} where one tensor is due"
    if due == count:
        return None
    kind = "None" if reply.get("returned") == "NoneType" else str(reply.get("returned"))[:60]
    names = ", ".join(spec.name for spec in problem.outputs)
    return (
        f"{problem.entry} returned {kind} ({count} value(s)) where {due} tensors are due: {names}"
    )


def _type_fault(spec: TensorSpec, row: dict[str, Any], case: Case) -> Fault | None:
    kind = str(row.get("type"))[:60]
    if kind == "torch.Tensor":
        return None
    if "dtype" in row:
        # A subclass may compute when it is looked at, after the clock has stopped.
        return (
            EvaluationStatus.CHEATED,
            f"{spec.name} is a {kind}, a subclass of torch.Tensor; return a plain tensor",
        )
    shown = "None" if kind == "NoneType" else f"a {kind}"
    return EvaluationStatus.INCORRECT_SHAPE, f"{spec.name} is {shown}, not a tensor"


def _shape_fault(spec: TensorSpec, row: dict[str, Any], case: Case) -> Fault | None:
    wanted = list(spec.concrete_shape(case.workload))
    if row.get("shape") == wanted:
        return None
    found = str(row.get("shape"))[:100]
    return EvaluationStatus.INCORRECT_SHAPE, f"{spec.name} has shape {found}, expected {wanted}"


def _dtype_fault(spec: TensorSpec, row: dict[str, Any], case: Case) -> Fault | None:
    if row.get("dtype") == spec.dtype:
        return None
    found = str(row.get("dtype"))[:20]
    return EvaluationStatus.INCORRECT_DTYPE, f"{spec.name} is {found}, expected {spec.dtype}"
