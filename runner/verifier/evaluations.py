"""Which evaluations of a reference make the truth about a case, on which inputs, in which order.

Owns that procedure alone: the oracle has them made in a worker, a delivered test in its own
process. `numerics` says what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch

from runner.problem import Problem
from runner.verifier.arena import torch_dtype
from runner.verifier.nearby import ASIDES, carry_errors, disturb, move_aside, rounds_to_half
from runner.verifier.numerics import Expected, compute_noise, expect

Inputs = Mapping[str, torch.Tensor]
Outputs = Sequence[torch.Tensor]
# Puts one input into a float64 tensor of its shape.
Place = Callable[[torch.Tensor, torch.Tensor], object]


def expect_outputs(
    problem: Problem,
    inputs: Inputs,
    generator: torch.Generator,
    *,
    low: Callable[[Inputs], Outputs],
    wide: Callable[[Inputs, Place], Outputs],
) -> tuple[Expected, ...]:
    """The expectation of each output, in the spec's order.

    `low` evaluates the reference in the declared dtypes and gives tensors of its own. `wide` does
    so in float64, on inputs as `Place` puts them; what it gives is valid until the next call. All
    are on the device of `generator`, which the disturbances are drawn from.
    """
    here = low(inputs)
    exact = [value.to(torch.float64, copy=True) for value in wide(inputs, _widen)]
    noise = max(compute_noise(torch_dtype(spec.dtype)) for spec in problem.outputs)
    place = partial(_disturb, noise=noise, generator=generator)

    def beside() -> Iterator[tuple[Outputs, Outputs]]:
        for factor in ASIDES:
            near = {name: move_aside(tensor, factor) for name, tensor in inputs.items()}
            yield low(near), wide(near, place)

    # Read where they lie: they only say how large an honest error is.
    if rounds_to_half(torch_dtype(spec.dtype) for spec in problem.inputs + problem.outputs):
        noisy: Outputs = carry_errors(exact, beside())
    else:
        noisy = wide(inputs, place)
    return tuple(map(expect, exact, here, noisy))


def _widen(tensor: torch.Tensor, view: torch.Tensor) -> object:
    return view.copy_(tensor)


def _disturb(
    tensor: torch.Tensor, view: torch.Tensor, *, noise: float, generator: torch.Generator
) -> object:
    return disturb(tensor, noise, generator, out=view)
