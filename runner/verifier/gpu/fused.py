"""The two passes over large outputs that a verdict waits for, each as one Triton kernel.

Owns speed alone: the figures of each 64 x 64 block that `numerics` and `comparison` make in eager
tiles, from one reading of each tensor. A block that holds anything not finite gets infinite
figures, and the eager code looks at it again with care.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from runner.verifier.tiles import BLOCK, as_matrix

_TINY = torch.finfo(torch.float64).tiny
_WARPS = 8  # with 4, the 64 x 64 float64 values of several tensors do not fit into registers
# IEEE 754 binary64: the exponent's bits alone are the largest power of two not above |y|.
_EXPONENT_BITS = tl.constexpr(0x7FF0000000000000)


def error_figures(
    exact: torch.Tensor, low: torch.Tensor, noisy: torch.Tensor, *, room: float, floor: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each block: the largest error, and the norms of errors, truth and rounding units.

    `exact` and `noisy` are float64, `low` of any floating dtype; all of one shape. An element's
    error is the larger of |low - exact| and |noisy - exact|, and `room` * |exact| at least; its
    unit is the power of two below |exact|, and `floor` at least. Float64, one number a block.
    """
    figures = tuple(_new_grid(exact) for _ in range(4))
    rows, columns = as_matrix(exact).shape
    _error_kernel[(figures[0].numel(),)](
        exact, low.contiguous(), noisy.contiguous(), *figures, rows, columns, figures[0].shape[1],
        ROOM=room, FLOOR=floor, BLOCK=BLOCK, num_warps=_WARPS,
    )  # fmt: skip
    return figures[0], figures[1], figures[2], figures[3]


def share_figures(
    found: torch.Tensor,
    exact: torch.Tensor,
    allowed: torch.Tensor,
    *,
    eps: float,
    floor: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """For each block: the largest share that an element used of its budget, and the norm of errors.

    `allowed`, float64, one number a block, is the budget without the rounding unit, which is `eps`
    times the unit of `error_figures`. `found` is of any floating dtype, `exact` and `floor` (one
    number, on the same device) float64.
    """
    shares, norms = _new_grid(exact), _new_grid(exact)
    rows, columns = as_matrix(exact).shape
    _share_kernel[(shares.numel(),)](
        found.contiguous(), exact, allowed.contiguous(), floor, shares, norms, rows, columns,
        shares.shape[1], EPS=eps, TINY=_TINY, BLOCK=BLOCK, num_warps=_WARPS,
    )  # fmt: skip
    return shares, norms


def _new_grid(like: torch.Tensor) -> torch.Tensor:
    rows, columns = as_matrix(like).shape
    return like.new_empty((-(-rows // BLOCK), -(-columns // BLOCK)))


@triton.jit  # type: ignore[untyped-decorator]
def _block(rows, columns, across, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0).to(tl.int64)
    row = place // across * BLOCK + tl.arange(0, BLOCK)[:, None]
    column = place % across * BLOCK + tl.arange(0, BLOCK)[None, :]
    return row * columns + column, (row < rows) & (column < columns)


@triton.jit  # type: ignore[untyped-decorator]
def _constant(value: tl.constexpr):  # type: ignore[no-untyped-def]
    # Triton takes a bare float for float32, where the smallest numbers of float64 are zero.
    return tl.full((1, 1), value, tl.float64)


@triton.jit
def _powers(y, floor):  # type: ignore[no-untyped-def]
    bits = y.to(tl.int64, bitcast=True) & _EXPONENT_BITS
    return tl.maximum(bits.to(tl.float64, bitcast=True), floor)


@triton.jit
def _total(values):  # type: ignore[no-untyped-def]
    return tl.sum(tl.sum(values, 1), 0)


@triton.jit
def _largest(values, odd):  # type: ignore[no-untyped-def]
    return tl.where(odd, float("inf"), tl.max(tl.max(values, 1), 0))


@triton.jit  # type: ignore[untyped-decorator]
def _error_kernel(  # type: ignore[no-untyped-def]
    exact_ptr, low_ptr, noisy_ptr, largest_ptr, rms_ptr, scale_ptr, units_ptr,
    rows, columns, across, ROOM: tl.constexpr, FLOOR: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    offs, mask = _block(rows, columns, across, BLOCK)
    y = tl.load(exact_ptr + offs, mask=mask, other=0.0)
    low_gap = tl.load(low_ptr + offs, mask=mask, other=0.0).to(tl.float64) - y
    noisy_gap = tl.load(noisy_ptr + offs, mask=mask, other=0.0) - y
    # A maximum may drop a NaN; a sum never does.
    odd = _total(low_gap * 0.0 + noisy_gap * 0.0) != 0.0
    error = tl.maximum(tl.abs(low_gap), tl.abs(noisy_gap))
    error = tl.maximum(error, tl.abs(y) * _constant(ROOM))
    unit = tl.where(mask, _powers(y, _constant(FLOOR)), 0.0)
    place = tl.program_id(0)
    tl.store(largest_ptr + place, _largest(error, odd))
    tl.store(rms_ptr + place, tl.sqrt(_total(error * error)))
    tl.store(scale_ptr + place, tl.sqrt(_total(y * y)))
    tl.store(units_ptr + place, tl.sqrt(_total(unit * unit)))


@triton.jit  # type: ignore[untyped-decorator]
def _share_kernel(  # type: ignore[no-untyped-def]
    found_ptr, exact_ptr, allowed_ptr, floor_ptr, share_ptr, norm_ptr, rows, columns, across,
    EPS: tl.constexpr, TINY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    offs, mask = _block(rows, columns, across, BLOCK)
    y = tl.load(exact_ptr + offs, mask=mask, other=0.0)
    error = tl.abs(tl.load(found_ptr + offs, mask=mask, other=0.0).to(tl.float64) - y)
    odd = _total(error * 0.0) != 0.0
    place = tl.program_id(0)
    budget = tl.load(allowed_ptr + place) + _constant(EPS) * _powers(y, tl.load(floor_ptr))
    share = tl.where(mask, error / tl.maximum(budget, _constant(TINY)), 0.0)
    tl.store(share_ptr + place, _largest(share, odd))
    tl.store(norm_ptr + place, tl.sqrt(_total(error * error)))
