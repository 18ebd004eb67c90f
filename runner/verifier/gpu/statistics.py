"""Medians, ratios and how sure they are, from interleaved bursts of timed calls. Torch-free.

Owns the bootstrap (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, ch. 13: percentile
intervals). Bursts are resampled, not calls: the calls of one burst share clocks and temperature.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng

RESAMPLES = 2000
CONFIDENCE = 0.95
# Two processes measured one pair 0.4 % apart on an H200 (a ratio of 0.959, then 0.955). The
# bootstrap sees one process only, so the interval is never narrower than that.
SYSTEMATIC = 0.004

Bursts = Sequence[Sequence[float]]  # milliseconds of each call, burst by burst


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """`value` = baseline over candidate: above 1 the candidate is faster. 95 % interval."""

    value: float
    low: float
    high: float


def median_ms(bursts: Bursts) -> float:
    """The median of all calls."""
    return statistics.median(time for burst in bursts for time in burst)


def ratio_of(candidate: Bursts, baseline: Bursts, seed: int) -> Ratio:
    """How many times as long the baseline takes. The bursts are pairs: run one after the other.

    Raises ValueError unless there are as many of one as of the other, at least two.
    """
    if len(candidate) != len(baseline) or len(candidate) < 2:
        raise ValueError(f"{len(candidate)} and {len(baseline)} bursts cannot be compared")
    pairs = [
        (statistics.median(one), statistics.median(other))
        for one, other in zip(candidate, baseline, strict=True)
    ]
    drawn = default_rng(seed).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    ours, theirs = np.median(np.array(pairs)[drawn], axis=1).T
    ratios = np.sort(theirs / ours).tolist()
    tail = int(RESAMPLES * (1 - CONFIDENCE) / 2)
    value = median_ms(baseline) / median_ms(candidate)
    return Ratio(
        value=value,
        low=min(ratios[tail], value) * (1 - SYSTEMATIC),
        high=max(ratios[-1 - tail], value) * (1 + SYSTEMATIC),
    )


def hull(ratios: Sequence[Ratio]) -> Ratio:
    """One ratio for several processes: the median, and an interval that holds all of theirs."""
    return Ratio(
        value=statistics.median(ratio.value for ratio in ratios),
        low=min(ratio.low for ratio in ratios),
        high=max(ratio.high for ratio in ratios),
    )
