"""Inputs close to a case's own, where an honest evaluation errs as it does there.

Owns how they are made and how an error found there counts here. `numerics` says what becomes of
it. Pure functions on tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from runner.verifier.tiles import TILE_ELEMENTS

# By 1.5 and 3 units of bfloat16, 12 and 27 of float16: other roundings, the same question. Equal
# numbers stay equal, zeros stay zeros, and nothing grows.
ASIDES = (0.994, 0.987)
_HALF_BYTES = 2


def disturb(
    tensor: torch.Tensor,
    noise: float,
    generator: torch.Generator,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """A float64 copy of `tensor`, in `out` if given, with each element off by ± `noise` of itself.

    The generator is of the tensor's device.
    """
    wide = tensor.to(torch.float64, copy=True) if out is None else out.copy_(tensor)
    for part in torch.split(wide.view(-1), TILE_ELEMENTS[wide.device.type]):
        signs = torch.empty(part.shape, dtype=torch.int8, device=part.device)
        signs.random_(0, 2, generator=generator).mul_(2).sub_(1)
        part.addcmul_(part, signs.to(torch.float64), value=noise)
    return wide


def rounds_to_half(dtypes: Iterable[torch.dtype]) -> bool:
    """Whether a floating dtype of 16 bits or fewer is among them: then `move_aside` pays.

    Roundings to float32 are many and small, and `disturb` stands for them. Of those to 16 bits a
    single one may be all of an element's error, small by luck.
    """
    return any(dtype.is_floating_point and dtype.itemsize <= _HALF_BYTES for dtype in dtypes)


def move_aside(tensor: torch.Tensor, factor: float) -> torch.Tensor:
    """The tensor times one of ASIDES, in its own dtype; integers and booleans as they are."""
    return tensor * factor if tensor.is_floating_point() else tensor


def carry_errors(
    exact: Sequence[torch.Tensor],
    beside: Iterable[tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]],
) -> list[torch.Tensor]:
    """Each of `exact`, float64, plus the largest error noisy - low that its element has beside.

    `beside`, not empty: (low, noisy) of all outputs for inputs moved aside. A pair is done with
    before the next one is asked for. Where either is not finite, it says nothing of an error here.
    """
    worst: list[torch.Tensor] = []
    for low, noisy in beside:
        errors = [
            (n.to(torch.float64) - v).nan_to_num_(0.0, 0.0, 0.0)
            for v, n in zip(low, noisy, strict=True)
        ]
        if worst:
            errors = [
                torch.where(w.abs() > e.abs(), w, e) for w, e in zip(worst, errors, strict=True)
            ]
        worst = errors
    return [w.add_(e) for w, e in zip(worst, exact, strict=True)]
