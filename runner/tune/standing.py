"""What a few noisy timings say of a configuration: a median, and how far it may be off.

Owns the intervals. The median's is distribution-free, by order statistics (W. J. Conover,
Practical Nonparametric Statistics, ch. 3.2): times have a long tail, and are not normal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Two processes measured one pair 0.4 % apart on an H200; no number of calls in one sees that.
SYSTEMATIC = 0.004
_SIGMAS = 1.96  # 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A time in milliseconds and its interval."""

    value_ms: float
    low_ms: float
    high_ms: float

    @property
    def width(self) -> float:
        """Of the interval, as a share of the value."""
        return (self.high_ms - self.low_ms) / self.value_ms

    def worse_than(self, other: Estimate) -> bool:
        """Whether the intervals leave no doubt."""
        return self.low_ms > other.high_ms


def estimate(times_ms: Sequence[float]) -> Estimate:
    """The median of at least one time, which must be positive, and its 95 % interval."""
    ordered = sorted(times_ms)
    count = len(ordered)
    reach = _SIGMAS * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - reach))
    high = min(count - 1, math.ceil(count / 2 + reach))
    return Estimate(
        value_ms=statistics.median(ordered),
        low_ms=ordered[low] * (1 - SYSTEMATIC),
        high_ms=ordered[high] * (1 + SYSTEMATIC),
    )


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The geometric mean: every workload weighs the same, however long it takes."""
    return Estimate(
        value_ms=statistics.geometric_mean(one.value_ms for one in estimates),
        low_ms=statistics.geometric_mean(one.low_ms for one in estimates),
        high_ms=statistics.geometric_mean(one.high_ms for one in estimates),
    )
