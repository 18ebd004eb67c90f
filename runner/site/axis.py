"""A vertical scale: where a value stands, and at which round values its lines are drawn.

Owns the arithmetic alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Over a wider range than this a linear scale would press the small values together.
_LINEAR_UP_TO = 4.0
_STEPS = (1.0, 2.0, 5.0)
_MAX_TICKS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """`low` to `high`, both above zero, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """Where `value` stands: 0 at the lower end, 1 at the upper one."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> tuple[float, ...]:
        """Round values within the axis, in order."""
        found = self._decades() if self.logarithmic else self._even()
        every = -(-len(found) // _MAX_TICKS)
        return tuple(found[::every]) if found else (self.low,)

    def _even(self) -> list[float]:
        rough = (self.high - self.low) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next((unit * n for n in _STEPS if unit * n >= rough), unit * 10)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]

    def _decades(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        known = [n * 10.0**power for power in range(first, last + 1) for n in _STEPS]
        return [value for value in known if self.low <= value <= self.high]


def axis_for(values: Iterable[float]) -> Axis:
    """An axis that holds all `values` (above zero, at least one) with a little room."""
    known = list(values)
    low, high = min(known), max(known)
    if high / low > _LINEAR_UP_TO:
        room = (high / low) ** 0.06
        return Axis(low=low / room, high=high * room, logarithmic=True)
    room = max((high - low) * 0.12, high * 0.02)
    return Axis(low=max(low - room, low / 2), high=high + room, logarithmic=False)


def tick_text(value: float) -> str:
    """The value as short as it can be without becoming another."""
    return f"{value:.4g}"
