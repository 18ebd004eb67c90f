"""One output beside its expectation: how many elements are wrong, and the worst of them.

Owns the comparison by the rule that `numerics` states, NaN and infinities included. Pure functions
on tensors, in tiles, on the device of the expectation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from runner.verifier.numerics import Expected, fused_pays, powers_of_two
from runner.verifier.tiles import BLOCK, BLOCK_AXES, Tile, Tiling, block_norm, touched

_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One output beside its expectation. Figures are of the element and the block that used the
    largest share of their budgets; None where no error can be given."""

    elements: int
    wrong_elements: int
    multiplier: float
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
            return False
        return (
            self.wrong_elements == 0
            and self.max_error <= self.max_budget
            and self.rms_error <= self.rms_budget
        )


def compare(found: torch.Tensor, expected: Expected, multiplier: float) -> Comparison:
    """Judge one output of the expected shape, dtype and device."""
    if expected.exact.numel() == 0:
        return Comparison(
            elements=0, wrong_elements=0, multiplier=multiplier, max_error=0.0, max_budget=0.0,
            rms_error=0.0, rms_budget=0.0, worst_index=None, expected=None, found=None,
        )  # fmt: skip
    pair = _Pair(found, expected, multiplier)
    shares, rms = (pair.tiling.new_grid() for _ in range(2))

    def measure(tile: Tile, *, careful: bool) -> None:
        error, budget = pair.judge(tile, careful=careful)
        block_norm(error, tile.of(rms))
        torch.amax(error.div_(budget.clamp_(min=_TINY)), BLOCK_AXES, out=tile.of(shares))

    if expected.floor is not None and fused_pays(expected.exact):
        shares, rms = pair.judge_fused(expected.floor)
    else:
        for tile in pair.tiling:
            measure(tile, careful=False)
    odd = ~(shares.isfinite() & rms.isfinite())
    for tile in touched(pair.tiling, odd):
        measure(tile, careful=True)
    rms_error, rms_budget = pair.worst_rms(rms)
    place, error, budget = pair.worst_element(int(shares.argmax()))
    return Comparison(
        elements=expected.exact.numel(),
        wrong_elements=pair.count_wrong(shares),
        multiplier=multiplier,
        max_error=_finite(error),
        max_budget=budget,
        rms_error=_finite(rms_error),
        rms_budget=rms_budget,
        worst_index=place,
        expected=_finite(float(expected.exact[place])),
        found=_finite(float(found[place])),
    )


def wrong_mask(found: torch.Tensor, expected: Expected, multiplier: float) -> torch.Tensor:
    """Which elements are off by more than their budget: bool, of the output's shape."""
    wrong = torch.zeros(expected.exact.shape, dtype=torch.bool, device=expected.exact.device)
    if wrong.numel():
        pair = _Pair(found, expected, multiplier)
        for tile in pair.tiling:
            error, budget = pair.judge(tile, careful=True)
            tile.cut(wrong).copy_(error > budget)
    return wrong


class _Pair:
    """A non-empty output and its expectation, cut into the same tiles."""

    def __init__(self, found: torch.Tensor, expected: Expected, multiplier: float) -> None:
        self.tiling = Tiling(expected.exact)
        self._found = found.contiguous()
        self._expected = expected
        self._multiplier = multiplier
        self._allowed = multiplier * expected.honest_max
        self._floor = expected.floor
        self._eps = torch.finfo(expected.dtype).eps if self._floor is not None else 0.0

    def judge(self, tile: Tile, *, careful: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """(error, budget) of each element. Without care, NaN or infinity where not all is finite;
        with care, the error is 0 where such a value is due and infinite where it is not."""
        exact = tile.cut(self._expected.exact)
        value = tile.cut(self._found)
        if careful or not value.is_floating_point():
            value = value.to(torch.float64)
        error = (value - exact).abs_()
        budget = self._budget(tile, exact.nan_to_num(0.0, 0.0, 0.0) if careful else exact)
        if careful:
            finite = value.isfinite() & exact.isfinite()
            error.masked_fill_(~finite, torch.inf)
            error.masked_fill_(~finite & self._same_class(tile, value, exact, budget), 0.0)
        return error, budget

    def judge_fused(self, floor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(largest share, norm of errors) of each block, infinite where not all is finite."""
        from runner.verifier.gpu.fused import share_figures

        return share_figures(
            self._found, self._expected.exact, self._allowed, eps=self._eps, floor=floor
        )

    def count_wrong(self, shares: torch.Tensor) -> int:
        """How many elements exceed their budgets, given the largest share in each block."""
        count = torch.zeros((), dtype=torch.int64, device=shares.device)
        for tile in touched(self.tiling, shares >= 1):
            error, budget = self.judge(tile, careful=True)
            count += (error > budget).sum()
        return int(count)

    def worst_element(self, block: int) -> tuple[tuple[int, ...], float, float]:
        """(index, error, budget) of the element of `block` that used most of its budget."""
        down, across = divmod(block, self.tiling.grid[1])
        tile = self.tiling.block(down, across)
        error, budget = (part.flatten() for part in self.judge(tile, careful=True))
        worst = int((error / budget.clamp(min=_TINY)).argmax())
        row, column = divmod(worst, tile.width)
        flat = (down * BLOCK + row) * self.tiling.columns + across * BLOCK + column
        shape = self._expected.exact.shape
        place = torch.unravel_index(torch.tensor(flat), shape)
        return tuple(int(i) for i in place), float(error[worst]), float(budget[worst])

    def worst_rms(self, norms: torch.Tensor) -> tuple[float, float]:
        """RMS error and RMS budget of the block, or of the whole, that used most of its budget."""
        counts = self.tiling.counts()
        expected = self._expected
        errors = norms / counts.sqrt()
        found = torch.cat([errors.flatten(), _whole(errors, counts)])
        honest, unit = expected.honest_rms, expected.unit_rms
        allowed = torch.cat([honest.flatten(), _whole(honest, counts)]) * self._multiplier
        allowed += torch.cat([unit.flatten(), _whole(unit, counts)])
        worst = int((found / allowed.clamp(min=_TINY)).argmax())
        return float(found[worst]), float(allowed[worst])

    def _budget(self, tile: Tile, finite: torch.Tensor) -> torch.Tensor:
        if self._floor is not None:
            return torch.add(
                tile.spread(self._allowed), powers_of_two(finite, self._floor), alpha=self._eps
            )
        honest = self._expected.honest
        if honest is None:
            return torch.zeros_like(finite)
        return self._multiplier * tile.cut(honest)

    def _same_class(
        self, tile: Tile, value: torch.Tensor, exact: torch.Tensor, budget: torch.Tensor
    ) -> torch.Tensor:
        """Where a non-finite value, or a value where the oracle is not finite, is right."""
        dtype = self._expected.dtype
        right = _alike(value, exact.to(dtype).to(torch.float64))
        if self._expected.low is not None:
            right |= _alike(value, tile.cut(self._expected.low).to(torch.float64))
        if dtype.is_floating_point:
            # Within the budget of the largest number either side of overflow is honest.
            edge = exact.isfinite() & (exact.abs() + budget >= torch.finfo(dtype).max)
            right |= edge & value.isinf() & (value.sign() == exact.sign())
        return right


def _alike(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (value.isnan() & other.isnan()) | (value.isinf() & (value == other))


def _whole(rms: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The RMS over everything, from those of the blocks."""
    return ((rms.square() * counts).sum() / counts.sum()).sqrt().reshape(1)


def _finite(value: float) -> float | None:
    return value if value - value == 0 else None
