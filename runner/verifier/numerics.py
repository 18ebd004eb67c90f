"""How far an output may be from the truth, from data, and how far it is. Pure functions on tensors.

The rule, for one output (y: float64 oracle; all errors absolute, in float64):

    e      = max(|low - y|, |noisy - y|, 16 c |y|)   the error that an honest evaluation makes
    E      = max of e over the element's 64 x 64 block, but at least
             median over blocks of (max e / rms y), times this block's rms y
    budget = multiplier * E + unit(y)                for each element
    rms    : rms(error) <= multiplier * R + rms(unit), in every block and over the whole, where
             R is rms e of that block, with the same kind of floor as E

`low` is the reference evaluated in the problem's own dtypes. `noisy` is the reference in float64
on inputs disturbed by `c`, four rounding units of the arithmetic that a kernel is expected to use
(float32, or float64 for a float64 output): an algorithm that is exact for inputs so close is as
good as arithmetic allows (backward error analysis, N. Higham, Accuracy and Stability of Numerical
Algorithms, ch. 1). 16 c is room for the order of long sums: on an H200 a float32 product over 2049
terms, added up one after another, was off by 7e-6 of its output's RMS, TF32 by 8e-4; the rule
allows about 3e-5. `unit(y)` is the spacing of the output's dtype at y. Because E is local, a
wrong tile stands out, however large the rest is; because of the median, a block with few elements
is not judged by a lucky error of zero. Where |low - y| is not finite, the element's class (NaN,
infinity and its sign) must be the oracle's or the low-precision reference's.
Integers and booleans must be equal; where `low` or `noisy` rounds otherwise, by that much not.
The idea of a budget from the low-precision reference's own error: meta-pytorch/attention-gym.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

BLOCK = 64
_COMPUTE_UNIT = {torch.float64: 2.0**-53}
_FLOAT32_UNIT = 2.0**-24
_NOISE_UNITS = 4
_ORDER_FACTOR = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The truth about one output of one case, and what an honest error is.

    All but `low` are float64 tensors of the output's shape; `honest` is E above, `honest_rms` is R.
    `low` is the low-precision reference's output, in the output's dtype.
    """

    exact: torch.Tensor
    low: torch.Tensor
    honest: torch.Tensor
    honest_rms: torch.Tensor
    unit: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One output beside its expectation. Figures are of the element and the block that used the
    largest share of their budgets; None where no error can be given."""

    wrong: torch.Tensor  # bool, the output's shape
    max_error: float | None
    max_budget: float
    rms_error: float | None
    rms_budget: float
    worst_index: tuple[int, ...] | None
    expected: float | None
    found: float | None

    @property
    def passed(self) -> bool:
        if self.max_error is None or self.rms_error is None:
            return not bool(self.wrong.any()) and self.wrong.numel() == 0
        return (
            not bool(self.wrong.any())
            and self.max_error <= self.max_budget
            and self.rms_error <= self.rms_budget
        )


def compute_noise(dtype: torch.dtype) -> float:
    """The relative disturbance `c` for outputs of `dtype`."""
    return _NOISE_UNITS * _COMPUTE_UNIT.get(dtype, _FLOAT32_UNIT)


def disturb(tensor: torch.Tensor, noise: float, generator: torch.Generator) -> torch.Tensor:
    """A float64 copy of `tensor` with each element off by ± `noise` of itself."""
    signs = torch.randint(0, 2, tensor.shape, generator=generator, dtype=torch.int8) * 2 - 1
    wide = tensor.to(torch.float64)
    return wide + wide * (signs.to(torch.float64) * noise)


def rounding_unit(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The spacing of `dtype` at each of `values` (float64), in float64; 0 for integers.

    Its floor is the smallest number that arithmetic with flushed subnormals still tells from 0;
    float16, which hardware does not flush, keeps its subnormal spacing.
    """
    if not dtype.is_floating_point:
        return torch.zeros_like(values)
    info = torch.finfo(dtype)
    floor = info.smallest_normal * info.eps if dtype is torch.float16 else info.smallest_normal
    finite = torch.where(values.isfinite(), values.abs(), 0.0)
    _, exponent = torch.frexp(finite)
    unit = torch.ldexp(torch.full_like(finite, info.eps), exponent - 1)
    return torch.where(finite > 0, unit, 0.0).clamp(min=floor)


def expect(exact: torch.Tensor, low: torch.Tensor, noisy: torch.Tensor) -> Expected:
    """Build the expectation. `exact`, `noisy`: float64; `low`: in the output's own dtype."""
    exact = exact.to(torch.float64)
    own = _error(low.to(torch.float64), exact)
    disturbed = _error(noisy.to(torch.float64), exact)
    error = torch.maximum(own, disturbed)
    unit = rounding_unit(exact, low.dtype)
    if exact.numel() == 0:
        return Expected(exact=exact, low=low, honest=error, honest_rms=error, unit=unit)
    if not low.dtype.is_floating_point:
        rms = _block_rms(error)
        return Expected(exact=exact, low=low, honest=error, honest_rms=rms, unit=unit)
    known = torch.where(exact.isfinite(), exact.abs(), 0.0)
    error = torch.maximum(error, known * _ORDER_FACTOR * compute_noise(low.dtype))
    scale = _block_rms(known)
    return Expected(
        exact=exact,
        low=low,
        honest=_at_least_typical(_block_max(error), scale),
        honest_rms=_at_least_typical(_block_rms(error), scale),
        unit=unit,
    )


def compare(found: torch.Tensor, expected: Expected, multiplier: float) -> Comparison:
    """Judge one output of the expected shape and dtype."""
    exact = expected.exact
    value = found.to(torch.float64)
    budget = multiplier * expected.honest + expected.unit
    error = (value - exact).abs()
    finite = value.isfinite() & exact.isfinite()
    error = torch.where(finite, error, torch.inf)
    excused = ~finite & _same_class(value, expected, budget)
    error = torch.where(excused, 0.0, error)
    wrong = error > budget
    if error.numel() == 0:
        return Comparison(
            wrong=wrong, max_error=0.0, max_budget=0.0, rms_error=0.0, rms_budget=0.0,
            worst_index=None, expected=None, found=None,
        )  # fmt: skip
    share = torch.where(error > 0, error / budget.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    flat = int(share.argmax())
    worst_error = float(error.flatten()[flat])
    rms_error, rms_budget = _worst_rms(error, multiplier * expected.honest_rms, expected.unit)
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), error.shape))
    return Comparison(
        wrong=wrong,
        max_error=worst_error if worst_error < torch.inf else None,
        max_budget=float(budget.flatten()[flat]),
        rms_error=rms_error if rms_error < torch.inf else None,
        rms_budget=rms_budget,
        worst_index=index,
        expected=_finite(exact.flatten()[flat]),
        found=_finite(value.flatten()[flat]),
    )


def _error(value: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """|value - exact|; 0 where either is not finite: such elements are judged by class."""
    error = (value - exact).abs()
    return torch.where(value.isfinite() & exact.isfinite(), error, 0.0)


def _at_least_typical(error: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A block whose own error is small by luck gets the typical relative error of all blocks."""
    live = scale > 0
    if not bool(live.any()):
        return error
    typical = (error[live] / scale[live]).median()
    return torch.maximum(error, typical * scale)


def _same_class(value: torch.Tensor, expected: Expected, budget: torch.Tensor) -> torch.Tensor:
    """Where a non-finite value, or a value where the oracle is not finite, is right."""
    dtype = expected.low.dtype
    rounded = expected.exact.to(dtype).to(torch.float64)
    low = expected.low.to(torch.float64)
    right = _alike(value, rounded) | _alike(value, low)
    if dtype.is_floating_point:
        # Within the budget of the largest number either side of overflow is honest.
        edge = expected.exact.isfinite() & (expected.exact.abs() + budget >= torch.finfo(dtype).max)
        right = right | (edge & value.isinf() & (value.sign() == expected.exact.sign()))
    return right


def _alike(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (value.isnan() & other.isnan()) | (value.isinf() & (value == other))


def _worst_rms(
    error: torch.Tensor, honest: torch.Tensor, unit: torch.Tensor
) -> tuple[float, float]:
    """RMS error and RMS budget of the block, or of the whole, that used most of its budget."""
    found = torch.cat([_block_rms(error).flatten(), _whole_rms(error)])
    # `honest` is a block's RMS already, the same for each of its elements.
    allowed = torch.cat([honest.flatten(), _whole_rms(honest)])
    allowed = allowed + torch.cat([_block_rms(unit).flatten(), _whole_rms(unit)])
    tiny = torch.finfo(torch.float64).tiny
    worst = int((found / allowed.clamp(min=tiny)).argmax())
    return float(found[worst]), float(allowed[worst])


def _whole_rms(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.square().mean().sqrt().reshape(1)


def _block_max(tensor: torch.Tensor) -> torch.Tensor:
    blocks = _blocks(tensor).amax(dim=(1, 3), keepdim=True)
    return _unblock(blocks, tensor)


def _block_rms(tensor: torch.Tensor) -> torch.Tensor:
    total = _blocks(tensor.square()).sum(dim=(1, 3), keepdim=True)
    count = _blocks(torch.ones_like(tensor)).sum(dim=(1, 3), keepdim=True)
    return _unblock((total / count).sqrt(), tensor)


def _blocks(tensor: torch.Tensor) -> torch.Tensor:
    """As (row blocks, rows, column blocks, columns); a short last block is padded with zeros."""
    rows = tensor.reshape(-1, tensor.shape[-1] if tensor.dim() else 1)
    height, width = (min(BLOCK, size) for size in rows.shape)
    pad = (-rows.shape[1] % width, -rows.shape[0] % height)
    padded = torch.nn.functional.pad(rows, (0, pad[0], 0, pad[1]))
    return padded.reshape(padded.shape[0] // height, height, -1, width)


def _unblock(blocks: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Give every element of `like` the value of its block."""
    rows = like.reshape(-1, like.shape[-1] if like.dim() else 1)
    height, width = (min(BLOCK, size) for size in rows.shape)
    spread = blocks.expand(-1, height, -1, width)
    whole = spread.reshape(blocks.shape[0] * height, blocks.shape[2] * width)
    return whole[: rows.shape[0], : rows.shape[1]].reshape(like.shape)


def _finite(value: torch.Tensor) -> float | None:
    number = float(value)
    return number if number - number == 0 else None
