"""Inputs for a workload: every distribution that a kernel must withstand, from a secret seed.

Owns what the values look like. Reads specs only, never a reference or a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from runner.contract import Workload, sha256_hex
from runner.problem import Problem, TensorSpec
from runner.verifier.arena import torch_dtype

NORMAL, LARGE = "normal", "large"
# In float16 a product of two such numbers, summed over a thousand terms, still has room.
_LARGE = 16.0
_NEAR_ZERO = 2.0**-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call of a candidate: a workload, how its inputs are drawn, and the seed of the draw."""

    workload: Workload
    distribution: str
    seed: int

    def __str__(self) -> str:
        return f"{self.workload} [{self.distribution}]"


def plan_cases(problem: Problem, seed: int, *, quick: bool = False) -> tuple[Case, ...]:
    """The cases of a verdict, the smallest workload first.

    Every test workload meets normal inputs, and large ones: where a softmax gives the late keys
    no weight, only large scores show that a tile of them is missing. The other distributions
    rotate over the workloads, and the smallest workload meets all of them: its buffers are then
    used again with new contents, which an answer from memory does not survive. `quick`: the
    smallest and the largest workload, normal inputs, and one other distribution.
    """
    workloads = sorted(problem.tests, key=lambda workload: _elements(problem, workload))
    others = [name for name in DISTRIBUTIONS if name != NORMAL]
    rotating = [name for name in others if name != LARGE]
    pairs = [(workloads[0], NORMAL)]
    if quick:
        # The rotation starts at a place of the seed's choice.
        pairs += [(workloads[0], others[seed % len(others)])]
        pairs += [(workload, NORMAL) for workload in workloads[-1:] if len(workloads) > 1]
    else:
        pairs += [(workload, NORMAL) for workload in workloads[1:]]
        pairs += [(workloads[0], name) for name in others]
        pairs += [(workload, LARGE) for workload in workloads[1:]]
        pairs += [
            (workload, rotating[(index + seed) % len(rotating)])
            for index, workload in enumerate(workloads[1:])
        ]
    return tuple(
        Case(workload=workload, distribution=name, seed=_derive(seed, str(workload), name))
        for workload, name in pairs
    )


def make_inputs(problem: Problem, case: Case) -> dict[str, torch.Tensor]:
    """CPU tensors by input name, contiguous, in the spec's shapes and dtypes."""
    generator = torch.Generator().manual_seed(case.seed)
    return {
        spec.name: _draw(spec, case.workload, case.distribution, generator)
        for spec in problem.inputs
    }


def _draw(
    spec: TensorSpec, workload: Workload, distribution: str, generator: torch.Generator
) -> torch.Tensor:
    shape, dtype = spec.concrete_shape(workload), torch_dtype(spec.dtype)
    if dtype is torch.bool:
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.int8).to(torch.bool)
    if not dtype.is_floating_point:
        low, high = integer_range(spec, workload)
        return torch.randint(low, high, shape, generator=generator, dtype=torch.int64).to(dtype)
    values = DISTRIBUTIONS[distribution](shape, generator)
    limit = torch.finfo(dtype).max
    return values.clamp(-limit, limit).to(dtype)


def integer_range(spec: TensorSpec, workload: Workload) -> tuple[int, int]:
    """[low, high) of an integer input: as declared, else small numbers that fit the dtype."""
    info = torch.iinfo(torch_dtype(spec.dtype))
    low, high = (
        workload.axes[bound] if isinstance(bound, str) else bound for bound in (spec.low, spec.high)
    )
    if low is None:
        low = max(info.min, -64) if high is None else min(max(info.min, -64), high - 1)
    if high is None:
        high = max(low + 1, min(info.max, 64))
    return low, max(high, low + 1)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1


def _large(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return _normal(shape, generator) * _LARGE


def _near_zero(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return _normal(shape, generator) * _NEAR_ZERO


def _heavy_tail(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Cauchy, cut where float16 products would overflow."""
    angle = (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5) * torch.pi
    return angle.tan().clamp(-8 * _LARGE, 8 * _LARGE)


def _constant_rows(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """One number along the last axis: variances and differences vanish."""
    rows = _normal((*shape[:-1], 1) if shape else (), generator)
    return rows.expand(shape).contiguous()


def _one_hot(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Zero but for one element of each row."""
    values = torch.zeros(shape, dtype=torch.float64)
    if values.numel() == 0:
        return values
    if not shape:
        return _normal(shape, generator)
    place = torch.randint(0, shape[-1], (*shape[:-1], 1), generator=generator)
    return values.scatter_(-1, place, _normal((*shape[:-1], 1), generator))


Draw = Callable[[tuple[int, ...], torch.Generator], torch.Tensor]
DISTRIBUTIONS: dict[str, Draw] = {
    NORMAL: _normal,
    "uniform": _uniform,
    LARGE: _large,
    "near zero": _near_zero,
    "heavy tail": _heavy_tail,
    "constant rows": _constant_rows,
    "one-hot": _one_hot,
}


def _elements(problem: Problem, workload: Workload) -> int:
    total = 0
    for spec in (*problem.inputs, *problem.outputs):
        count = 1
        for size in spec.concrete_shape(workload):
            count *= size
        total += count
    return total


def _derive(seed: int, *parts: str) -> int:
    """A seed of 63 bits for one purpose; without `seed` it cannot be foretold."""
    return int(sha256_hex("\0".join((str(seed), *parts)))[:15], 16)
