"""How far an output may be from the truth, from data, and how far it is. Pure functions on tensors.

The rule, for one output (y: float64 oracle; all errors absolute, in float64):

    e      = max(|low - y|, |noisy - y|, 16 c |y|)   the error that an honest evaluation makes
    E      = max of e over the element's 64 x 64 block, but at least
             typical(block's max e / block's rms y), times this block's rms y
    typical: what 95 % of the elements do not exceed, and at most 8 times their median
    budget = multiplier * E + unit(y)                for each element
    rms    : rms(error) <= multiplier * R + rms(unit), in every block and over the whole, where
             R is rms e of that block, with the same kind of floor as E

`low` is the reference evaluated in the problem's own dtypes. `noisy` is the reference in float64
on inputs disturbed by `c`, four rounding units of the arithmetic that a kernel is expected to use
(float32, or float64 for a float64 output): an algorithm that is exact for inputs so close is as
good as arithmetic allows (backward error analysis, N. Higham, Accuracy and Stability of Numerical
Algorithms, ch. 1). 16 c is room for the order of long sums: on an H200 a float32 product over 2049
terms, added up one after another, was off by 7e-6 of its output's RMS, TF32 by 8e-4; the rule
allows about 3e-5. `unit(y)` is the spacing of the output's dtype at y, and at least what a flushed
subnormal comes to at the output's size: the smallest normal number of the arithmetic, times the
largest block's norm, which no element exceeds. On an H200 exp2 makes 0 of a weight of attention
below 2**-126; a gradient of 1e4 makes 1e-34 of such a weight, an ordinary bfloat16. Because E is
local, a wrong tile stands out, however large the rest is; because of what is typical, a block is
not judged by a lucky error. Luck is common where few terms count, as for the gradients of attention
with equal numbers along each row: a softmax that is nearly one-hot has its error from a single
weight's rounding to float16, and a float32 sum in another order rounds a few per cent of them the
other way. So where inputs or outputs have 16 bits, the second error is not |noisy - y| but the
larger |noisy - low| for inputs moved a little aside, twice (`nearby`): more draws of such
roundings, and luck in all of them is rare.
Blocks that are noise say nothing of the others, hence the bound of 8 medians.

Where |low - y| is not finite, the element's class (NaN, infinity and its sign) must be the oracle's
or the low-precision reference's. Integers and booleans must be equal; where `low` or `noisy` rounds
otherwise, by that much not. The idea of a budget from the low-precision reference's own error:
meta-pytorch/attention-gym.

Everything streams over `tiles`, on the device of its tensors, and the host waits once or twice,
not once a tile. A tile is first taken as finite; what turns out not to be is done again with care.
The other side of the rule, an output beside its expectation, is `comparison`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from runner.verifier.tiles import BLOCK_AXES, Tile, Tiling, block_norm, touched

_COMPUTE_UNIT = {torch.float64: 2.0**-53}
_FLOAT32_UNIT = 2.0**-24
_NOISE_UNITS = 4
_ORDER_FACTOR = 16
_TYPICAL_SHARE = 0.95
_TYPICAL_MEDIANS = 8
# IEEE 754 binary64: the exponent's bits alone are the largest power of two not above |y|.
_EXPONENT_BITS = 0x7FF << 52
# Below this the eager tiles are quick, and the kernels of `gpu.fused` would have to be compiled.
_FUSED_FROM_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The truth about one output of one case, and what an honest error is.

    `exact` is float64, contiguous, of the output's shape. `honest_max` is E above, `honest_rms` R,
    `unit_rms` rms(unit): one number a block. `floor`, of a floating output that is not empty: the
    least power of two that `unit` is taken from, float64, one number. `low`: the low-precision
    reference's output, kept only where it has elements that are not finite. `honest`: e for each
    element of an integer output whose evaluations differ.
    """

    exact: torch.Tensor
    dtype: torch.dtype
    honest_max: torch.Tensor
    honest_rms: torch.Tensor
    unit_rms: torch.Tensor
    floor: torch.Tensor | None = None
    low: torch.Tensor | None = None
    honest: torch.Tensor | None = None

    @property
    def size_bytes(self) -> int:
        """Of the memory held."""
        held = (self.exact, self.honest_max, self.honest_rms, self.unit_rms, self.low, self.honest)
        return sum(tensor.nbytes for tensor in held if tensor is not None)


def compute_noise(dtype: torch.dtype) -> float:
    """The relative disturbance `c` for outputs of `dtype`."""
    return _NOISE_UNITS * _COMPUTE_UNIT.get(dtype, _FLOAT32_UNIT)


def expect(exact: torch.Tensor, low: torch.Tensor, noisy: torch.Tensor) -> Expected:
    """Build the expectation. `exact`, `noisy`: float64; `low`: in the output's own dtype."""
    exact = exact.to(torch.float64).contiguous()
    if exact.numel() == 0:
        none = exact.new_zeros((0, 0))
        return Expected(
            exact=exact, dtype=low.dtype, honest_max=none, honest_rms=none, unit_rms=none
        )
    if not low.dtype.is_floating_point:
        return _expect_integers(exact, low, noisy)
    tiling = Tiling(exact)
    room, floor = _ORDER_FACTOR * compute_noise(low.dtype), power_floor(low.dtype)
    largest, rms, scale, units = (tiling.new_grid() for _ in range(4))

    def measure(tile: Tile, *, careful: bool) -> None:
        y = tile.cut(exact)
        error = _gap(tile.cut(low), y, careful=careful)
        torch.maximum(error, _gap(tile.cut(noisy), y, careful=careful), out=error)
        known = y.nan_to_num(0.0, 0.0, 0.0) if careful else y
        torch.maximum(error, (known * room).abs_(), out=error)
        torch.amax(error, BLOCK_AXES, out=tile.of(largest))
        block_norm(error, tile.of(rms))
        block_norm(known, tile.of(scale))
        block_norm(powers_of_two(known, floor), tile.of(units))

    if fused_pays(exact):
        from runner.verifier.gpu.fused import error_figures

        largest, rms, scale, units = error_figures(exact, low, noisy, room=room, floor=floor)
    else:
        for tile in tiling:
            measure(tile, careful=False)
    odd = ~(largest.isfinite() & scale.isfinite())
    special = bool(odd.any())
    if special:
        for tile in touched(tiling, odd):
            measure(tile, careful=True)
    counts = tiling.counts()
    root = counts.sqrt()
    floor_here = _floor_at(scale, low.dtype)
    scale.div_(root)
    return Expected(
        exact=exact,
        dtype=low.dtype,
        honest_max=_at_least_typical(largest, scale, counts),
        honest_rms=_at_least_typical(rms.div_(root), scale, counts),
        # Within sqrt(2) of the root mean square of units that are so large each.
        unit_rms=units.div_(root).clamp_(min=floor_here).mul_(torch.finfo(low.dtype).eps),
        floor=floor_here,
        low=low if special and not bool(low.isfinite().all()) else None,
    )


def _expect_integers(exact: torch.Tensor, low: torch.Tensor, noisy: torch.Tensor) -> Expected:
    """No block lends its room to others: each element's budget is its own."""
    honest = torch.empty_like(exact)
    tiling = Tiling(exact)
    rms = tiling.new_grid()
    for tile in tiling:
        y = tile.cut(exact)
        error = _gap(tile.cut(low).to(torch.float64), y, careful=True)
        torch.maximum(error, _gap(tile.cut(noisy).to(torch.float64), y, careful=True), out=error)
        tile.cut(honest).copy_(error)
        block_norm(error, tile.of(rms))
    none = tiling.new_grid()
    return Expected(
        exact=exact,
        dtype=low.dtype,
        honest_max=none,
        honest_rms=rms.div_(tiling.counts().sqrt()),
        unit_rms=none,
        honest=honest if bool((rms > 0).any()) else None,
    )


def power_floor(dtype: torch.dtype) -> float:
    """The smallest power of two that `powers_of_two` gives for small outputs of a floating `dtype`.

    Times its epsilon, it is the smallest number that arithmetic with flushed subnormals tells from
    0; float16, which hardware does not flush, keeps its subnormal spacing.
    """
    info = torch.finfo(dtype)
    least = info.smallest_normal * info.eps if dtype is torch.float16 else info.smallest_normal
    return least / info.eps


def _floor_at(norms: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The floor for an output whose blocks have such `norms`: float64, one number."""
    arithmetic = torch.finfo(torch.float64 if dtype is torch.float64 else torch.float32)
    size = norms.nan_to_num(0.0, 0.0, 0.0).max()
    flushed = size.mul_(arithmetic.smallest_normal / torch.finfo(dtype).eps)
    return flushed.clamp_(min=power_floor(dtype))


def powers_of_two(finite: torch.Tensor, floor: float | torch.Tensor) -> torch.Tensor:
    """The largest power of two not above each of `finite` (float64), and `floor` at least."""
    powers = (finite.view(torch.int64) & _EXPONENT_BITS).view(torch.float64)
    return powers.clamp_(min=floor)


def fused_pays(like: torch.Tensor) -> bool:
    """Whether the figures of blocks are worth a kernel of their own: see `gpu.fused`."""
    return like.is_cuda and like.numel() >= _FUSED_FROM_ELEMENTS


def _gap(value: torch.Tensor, exact: torch.Tensor, *, careful: bool) -> torch.Tensor:
    """|value - exact|; with care 0 where either is not finite: there the class decides."""
    gap = (value - exact).abs_()
    return gap.nan_to_num_(0.0, 0.0, 0.0) if careful else gap


def _at_least_typical(
    error: torch.Tensor, scale: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """A block whose own error is small by luck gets the typical relative error of all blocks."""
    live = scale > 0
    if not bool(live.any()):
        return error
    ratios, order = (error[live] / scale[live]).sort()
    # Quantiles over elements: each block stands for as many as it has.
    before = counts[live][order].cumsum(0)

    def quantile(share: float) -> torch.Tensor:
        place = ((before[-1:] - 1) * share).floor()
        return ratios[torch.searchsorted(before, place, right=True)]

    typical = torch.minimum(quantile(_TYPICAL_SHARE), _TYPICAL_MEDIANS * quantile(0.5))
    return torch.maximum(error, typical * scale)
