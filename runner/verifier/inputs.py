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
from runner.verifier.layouts import CONTIGUOUS, LAYOUTS
from runner.verifier.modules.values import AS_GIVEN, OTHER_PARAMETERS, WIDER, make_values
from runner.verifier.workloads import elements, held_out

NORMAL, LARGE = "normal", "large"
# In float16 a product of two such numbers, summed over a thousand terms, still has room.
_LARGE = 16.0
_MANY = 64
_TIMED_ROUNDS = 5  # as many as KernelBench's harness checks
_NEAR_ZERO = 2.0**-10
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call of a candidate: a workload, how its inputs are drawn, and the seed of the draw.

    `held_out`: the workload is not in the spec. `layout`: how the inputs lie that may have any
    strides (`runner.verifier.layouts`). `module_seed`: of a module's parameters and of what it
    draws while it runs, where several cases have it in common; None: it follows from `seed`.
    `draw_seed`: of what it draws alone, where cases differ in how much was drawn before.
    """

    workload: Workload
    distribution: str
    seed: int
    held_out: bool = False
    layout: str = CONTIGUOUS
    module_seed: int | None = None
    draw_seed: int | None = None

    def __str__(self) -> str:
        layout = "" if self.layout == CONTIGUOUS else f", {self.layout}"
        return f"{self.workload} [{self.distribution}{layout}]"


def plan_cases(problem: Problem, seed: int, *, quick: bool = False) -> tuple[Case, ...]:
    """The cases of a verdict: the smallest real workload first, what the spec does not name last.

    Every test workload meets normal inputs, and large ones: where a softmax gives the late keys
    no weight, only large scores show that a tile of them is missing. The other distributions
    rotate over the workloads, and the smallest workload meets all of them: its buffers are then
    used again with new contents, which an answer from memory does not survive. Inputs that may
    have any strides get them on the smallest workload. Held-out workloads meet normal inputs and
    one other distribution. `quick`: the smallest and the largest workload, and one held out, with
    normal inputs, and one other distribution.
    """
    if problem.module is not None:
        return _module_cases(problem, seed, quick=quick)
    ordered = sorted(problem.tests, key=lambda workload: elements(problem, workload))
    # Where nothing is due, no values matter: once is enough, and it is nobody's smallest.
    workloads = [workload for workload in ordered if elements(problem, workload)] or ordered
    empty = [workload for workload in ordered if workload not in workloads]
    # A handful of elements tells distributions apart badly, and any cache of answers fits it.
    smallest = next((w for w in workloads if elements(problem, w) >= _MANY), workloads[-1])
    workloads = [smallest, *(workload for workload in workloads if workload != smallest)]
    others = [name for name in DISTRIBUTIONS if name != NORMAL]
    rotating = [name for name in others if name != LARGE]
    rows = [(smallest, NORMAL, CONTIGUOUS)]
    # The rotations start at a place of the seed's choice.
    if quick:
        rows += [(smallest, others[seed % len(others)], CONTIGUOUS)]
        rows += [(workload, NORMAL, CONTIGUOUS) for workload in workloads[-1:]]
    else:
        rows += [(workload, NORMAL, CONTIGUOUS) for workload in workloads[1:]]
        rows += [(smallest, name, CONTIGUOUS) for name in others]
        rows += [(workload, LARGE, CONTIGUOUS) for workload in workloads[1:]]
        rows += [
            (workload, rotating[(index + seed) % len(rotating)], CONTIGUOUS)
            for index, workload in enumerate(workloads[1:])
        ]
    if not all(spec.contiguous for spec in problem.inputs):
        rows += [(smallest, NORMAL, layout) for layout in LAYOUTS]
        rows += [(workloads[-1], NORMAL, LAYOUTS[seed % len(LAYOUTS)])]
    rows += [(workload, NORMAL, CONTIGUOUS) for workload in empty]
    drawn = held_out(problem, seed, 1 if quick else 3)
    for index, workload in enumerate(drawn):
        names = [NORMAL] if quick else [NORMAL, others[(index + seed) % len(others)]]
        rows += [(workload, name, CONTIGUOUS) for name in names]
    return tuple(
        Case(
            workload=workload,
            distribution=name,
            seed=_derive(seed, str(workload), name, layout),
            held_out=workload in drawn,
            layout=layout,
        )
        for workload, name, layout in {(str(row[0]), *row[1:]): row for row in rows}.values()
    )


def timed_cases(problem: Problem, seed: int) -> tuple[Case, ...]:
    """Five checked calls on each benchmark workload: what is timed is checked at its full size.

    Normal inputs, large ones, and three of the other distributions by the seed's choice.
    """
    if problem.module is not None:
        return ()  # its only size is checked five times already
    rotating = [name for name in DISTRIBUTIONS if name not in (NORMAL, LARGE)]
    rows = [
        (workload, name)
        for index, workload in enumerate(problem.benchmarks)
        for name in (
            NORMAL,
            LARGE,
            *(rotating[(index + seed + turn) % len(rotating)] for turn in range(_TIMED_ROUNDS - 2)),
        )
    ]
    return tuple(
        Case(workload=workload, distribution=name, seed=_derive(seed, str(workload), name, "timed"))
        for workload, name in rows
    )


def _module_cases(problem: Problem, seed: int, *, quick: bool) -> tuple[Case, ...]:
    """Five calls with values as the problem makes them, and where it can be said what else is
    meant: inputs that are not all positive, and parameters other than those of a new layer."""
    form = problem.module
    names = [AS_GIVEN] if quick else [f"{AS_GIVEN} {turn}" for turn in range(1, _TIMED_ROUNDS + 1)]
    names += [WIDER] if form is not None and form.recipe.free else []
    names += [OTHER_PARAMETERS] if any(row.part == "parameter" for row in problem.inputs) else []
    return tuple(
        Case(
            workload=workload,
            distribution=name,
            seed=_derive(seed, str(workload), name),
            draw_seed=_derive(seed, "draws"),
        )
        for workload in problem.tests
        for name in names
    )


def make_inputs(
    problem: Problem, case: Case, device: torch.device = _CPU
) -> dict[str, torch.Tensor]:
    """Tensors on `device` by input name, contiguous, in the spec's shapes and dtypes.

    The same case gives the same values on every machine for one kind of device.
    """
    if problem.module is not None:
        return make_values(problem, problem.module, case, device)
    generator = torch.Generator(device).manual_seed(case.seed)
    return {
        spec.name: _draw(spec, case.workload, case.distribution, generator)
        for spec in problem.inputs
    }


def _draw(
    spec: TensorSpec, workload: Workload, distribution: str, generator: torch.Generator
) -> torch.Tensor:
    shape, dtype = spec.concrete_shape(workload), torch_dtype(spec.dtype)
    if dtype is torch.bool:
        return _empty(shape, dtype, generator).random_(0, 2, generator=generator)
    if not dtype.is_floating_point:
        low, high = integer_range(spec, workload)
        return _empty(shape, dtype, generator).random_(low, high, generator=generator)
    # Nobody needs 53 random bits in a float32, and a GPU draws float64 at a fraction of the speed.
    wide = torch.promote_types(dtype, torch.float32)
    return DISTRIBUTIONS[distribution](_empty(shape, wide, generator), generator).to(dtype)


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


def _normal(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return out.normal_(generator=generator)


def _uniform(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return out.uniform_(-1.0, 1.0, generator=generator)


def _large(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return out.normal_(std=_LARGE, generator=generator)


def _near_zero(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return out.normal_(std=_NEAR_ZERO, generator=generator)


def _heavy_tail(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Cauchy, cut where float16 products would overflow, with both ends met for certain.

    A softmax that leaves out the maximum overflows at 89: luck must not decide whether it meets it.
    """
    limit = 8 * _LARGE
    out.cauchy_(generator=generator).clamp_(-limit, limit)
    if out.numel():
        flat = out.view(-1)
        places = torch.randint(0, flat.numel(), (2,), generator=generator, device=out.device)
        flat[places[0]] = -limit
        flat[places[1]] = limit
    return out


def _constant_rows(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One number along the last axis: variances and differences vanish."""
    return out.copy_(_one_a_row(out, generator))


def _one_hot(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Zero but for one element of each row."""
    rows = _one_a_row(out, generator)
    if out.numel() == 0 or not out.shape:
        return out.copy_(rows)
    place = torch.empty(rows.shape, dtype=torch.int64, device=out.device)
    place.random_(0, out.shape[-1], generator=generator)
    return out.zero_().scatter_(-1, place, rows)


def _one_a_row(out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    shape = (*out.shape[:-1], 1) if out.shape else ()
    return out.new_empty(shape).normal_(generator=generator)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device=generator.device)


# Each fills its first argument, float32 or float64, on the generator's device.
Draw = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
DISTRIBUTIONS: dict[str, Draw] = {
    NORMAL: _normal,
    "uniform": _uniform,
    LARGE: _large,
    "near zero": _near_zero,
    "heavy tail": _heavy_tail,
    "constant rows": _constant_rows,
    "one-hot": _one_hot,
}


def _derive(seed: int, *parts: str) -> int:
    """A seed of 63 bits for one purpose; without `seed` it cannot be foretold."""
    return int(sha256_hex("\0".join((str(seed), *parts)))[:15], 16)
