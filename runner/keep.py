"""Keep or revert: whether a kernel that passed is better than the best so far. Pure.

Owns what counts as a gain. A difference that the measurement cannot tell from none is none: the
earlier kernel stays, so that a chain of lucky timings cannot drift to a slower one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from runner.contract import Evaluation, Performance, WorkloadTiming

Rank = Callable[[Evaluation], tuple[float, ...]]
# The same kernel timed in two processes differs by more than the spread inside one: other
# addresses, another temperature. A gain below this is not one, however narrow the intervals are.
LEAST_GAIN = 0.005
# Where no interval was measured.
UNKNOWN_NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much faster one kernel is than another: natural logarithms of the ratio of times.

    `log_ratio` is the mean over the workloads (the logarithm of the ratio of geometric means);
    `noise` the half-width of its 95 % interval. Above zero: faster.
    """

    log_ratio: float
    noise: float

    @property
    def certain(self) -> bool:
        return self.log_ratio > self.noise


def is_better(new: Evaluation, best: Evaluation, rank: Rank) -> bool:
    """Whether `new` replaces `best`; both PASSED.

    Timed kernels: the one timed on more workloads, then the one that is faster for certain.
    Otherwise `rank`, strictly.
    """
    if new.performance is None or best.performance is None:
        return rank(new) < rank(best)
    more = len(new.performance.timings) - len(best.performance.timings)
    if more:
        return more > 0
    gain = gain_over(new.performance, best.performance)
    return gain is not None and gain.certain


def gain_over(new: Performance, best: Performance) -> Gain | None:
    """How much faster `new` is on the workloads that both were timed on; None where there are none.

    The interval of a ratio to a baseline holds the noise of both medians in it, so the narrowest
    one bounds the noise of the kernel's own. Both kernels were measured apart: variances add.
    """
    theirs = {str(timing.workload): timing for timing in best.timings}
    pairs = [
        (timing, theirs[str(timing.workload)])
        for timing in new.timings
        if str(timing.workload) in theirs
    ]
    if not pairs:
        return None
    logs = [math.log(old.median_ms / now.median_ms) for now, old in pairs]
    noises = [math.hypot(_noise_of(now), _noise_of(old)) for now, old in pairs]
    return Gain(
        log_ratio=math.fsum(logs) / len(pairs),
        noise=max(LEAST_GAIN, math.hypot(*noises) / len(pairs)),
    )


def _noise_of(timing: WorkloadTiming) -> float:
    """Half of the narrowest 95 % interval, in logarithms."""
    halves = [math.log(row.ratio_high / row.ratio_low) / 2 for row in timing.baselines]
    return min(halves, default=UNKNOWN_NOISE / math.sqrt(2))
