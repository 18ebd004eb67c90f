"""What moving a problem's tensors once takes at a measured rate: arithmetic on the spec.

Owns the bytes of a workload by its declared shapes and dtypes. Torch-free; measures nothing.
"""

from __future__ import annotations

import math

from runner.contract import Roofline, Workload
from runner.problem import Problem, TensorSpec

_ELEMENT_BYTES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "float32": 4,
    "int64": 8,
    "float64": 8,
}


def moved_bytes(problem: Problem, workload: Workload) -> int:
    """Bytes of all inputs and outputs of `workload`, each counted once."""
    return sum(_bytes_of(spec, workload) for spec in (*problem.inputs, *problem.outputs))


def least_memory_ms(problem: Problem, workload: Workload, roofline: Roofline) -> float:
    """Time in ms to move these bytes at the rate of a copy."""
    return moved_bytes(problem, workload) / roofline.copy_gb_per_s / 1e6


def _bytes_of(spec: TensorSpec, workload: Workload) -> int:
    return math.prod(spec.concrete_shape(workload)) * _ELEMENT_BYTES[spec.dtype]
