"""What a call must move and compute at least: bytes, operations, and which inputs are read whole.

Owns the facts behind the physics floor. That an input is read whole is found by experiment on the
reference, because an embedding reads a few rows of its table, and a floor that counts the rest
would call an honest kernel impossible.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import torch

from runner.contract import Workload
from runner.problem import Problem, TensorSpec
from runner.verifier.arena import torch_dtype
from runner.verifier.bytewise import same_bytes
from runner.verifier.inputs import Case, integer_range, make_inputs
from runner.verifier.reference import Reference

_SAMPLES = 6  # elements of each input that are changed, one at a time


def input_bytes(problem: Problem, workload: Workload, names: frozenset[str] | None = None) -> int:
    """Of all inputs, or of those in `names`, each counted once."""
    return sum(
        _bytes_of(spec, workload) for spec in problem.inputs if names is None or spec.name in names
    )


def output_bytes(problem: Problem, workload: Workload) -> int:
    """Of all outputs, each counted once."""
    return sum(_bytes_of(spec, workload) for spec in problem.outputs)


def smallest_workload(problem: Problem) -> Workload:
    """The test workload with the fewest input bytes among those that have anything to compute."""
    return min(problem.tests, key=lambda w: (not output_bytes(problem, w), input_bytes(problem, w)))


def read_whole(
    problem: Problem, reference: Reference, case: Case, device: torch.device
) -> frozenset[str]:
    """The inputs whose every sampled element changes some output of `case`."""
    inputs = make_inputs(problem, case, device)
    before = reference.call(case, inputs)
    draw = random.Random(case.seed)  # noqa: S311 - samples elements, protects nothing
    whole: set[str] = set()
    # Of a module's parameters there may be hundreds; without them the floor is only lower.
    for spec in (row for row in problem.inputs if row.part == "input"):
        count = inputs[spec.name].numel()
        places = [draw.randrange(count) for _ in range(_SAMPLES)] if count else []
        if places and all(
            _matters(reference, case, inputs, before, (spec, place)) for place in places
        ):
            whole.add(spec.name)
    return frozenset(whole)


def _matters(
    reference: Reference,
    case: Case,
    inputs: Mapping[str, torch.Tensor],
    before: list[torch.Tensor],
    element: tuple[TensorSpec, int],
) -> bool:
    """Whether another value of one element gives another answer."""
    spec, place = element
    original = inputs[spec.name]
    for value in _other_values(spec, original, place, case.workload):
        changed = original.clone()
        changed.view(-1)[place] = value
        after = reference.call(case, {**inputs, spec.name: changed})
        if not all(same_bytes(one, other) for one, other in zip(before, after, strict=True)):
            return True
    return False


def _other_values(
    spec: TensorSpec, tensor: torch.Tensor, place: int, workload: Workload
) -> list[float | int | bool]:
    """Values far from what is there; within the declared range where there is one."""
    if tensor.dtype is torch.bool:
        return [not bool(tensor.view(-1)[place])]
    if not tensor.is_floating_point():
        low, high = integer_range(spec, workload)
        if spec.high is None and tensor.numel():
            # An index that is not declared as one: another of those that are there is safe.
            low, high = int(tensor.min()), int(tensor.max()) + 1
        now = int(tensor.view(-1)[place])
        return [value for value in (low, high - 1) if value != now]
    far = 4 * float(tensor.abs().max()) + 1
    return [far, -far]


def _bytes_of(spec: TensorSpec, workload: Workload) -> int:
    return math.prod(spec.concrete_shape(workload)) * torch_dtype(spec.dtype).itemsize
