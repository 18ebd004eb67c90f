"""What is known of a measured kernel on one workload: the facts that advice may rest on.

Owns the figures that follow from times and compiled resources. Says nothing in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from runner.contract import BaselineTiming, Evaluation, KernelResources, Roofline, WorkloadTiming
from runner.verifier.resources import Residency, residency

NEAR_ROOFLINE = 0.85  # a copy itself varies by several per cent with its size
_FAR_FROM_ROOFLINE = 0.6
# A launch takes 3 to 5 microseconds by itself: below this a kernel's own work is not what counts.
_LAUNCH_BOUND_MS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """How a grid fills the GPU. `resident`: programs that run at once; `programs`: all of them."""

    programs: int
    resident: int

    @property
    def count(self) -> int:
        """Full or partial rounds of resident programs."""
        return -(-self.programs // self.resident)

    @property
    def last(self) -> int:
        """Programs of the last round."""
        return self.programs - (self.count - 1) * self.resident


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """What is known of one benchmark workload. `kernels`: what a call launches."""

    timing: WorkloadTiming
    kernels: tuple[KernelResources, ...]
    roofline: Roofline | None

    @property
    def near_roofline(self) -> bool:
        """Whether only fewer bytes would help. Of arithmetic nobody knows how much is needed."""
        share = self.timing.roofline_share
        return self.timing.bound != "arithmetic" and share is not None and share >= NEAR_ROOFLINE

    @property
    def far_from_roofline(self) -> bool:
        share = self.timing.roofline_share
        return share is not None and share < _FAR_FROM_ROOFLINE

    @property
    def launch_bound(self) -> bool:
        return self.timing.median_ms < _LAUNCH_BOUND_MS and self.far_from_roofline

    @property
    def largest_grid(self) -> int | None:
        """Programs of the largest launch; None where no grid is known."""
        return max(
            (math.prod(row.grid) for row in self.kernels if row.grid is not None), default=None
        )

    @property
    def grid_is_small(self) -> bool:
        """Whether its grids are known, and none has a program for each multiprocessor."""
        if self.largest_grid is None or self.roofline is None:
            return False
        return self.largest_grid < self.roofline.multiprocessors

    @property
    def launches(self) -> int:
        """Launches of one call; each kernel counts once where nobody counted."""
        return sum(row.launches or 1 for row in self.kernels)

    @property
    def spill_bytes(self) -> int:
        """Bytes a thread that the worst of its kernels spills."""
        return max((row.spill_bytes for row in self.kernels), default=0)

    @property
    def tightest(self) -> tuple[KernelResources, Residency] | None:
        """The kernel that keeps the fewest warps resident; None where no target is known."""
        held = [(row, where) for row in self.kernels if (where := residency(row)) is not None]
        return min(held, key=lambda pair: pair[1].share, default=None)

    @property
    def waves(self) -> Waves | None:
        """How its only kernel's grid fills the GPU; None where that is not known."""
        if len(self.kernels) != 1 or self.roofline is None or self.launches != 1:
            return None
        row = self.kernels[0]
        held = residency(row)
        if row.grid is None or held is None or held.blocks < 1:
            return None
        programs = math.prod(row.grid)
        resident = held.blocks * self.roofline.multiprocessors
        return Waves(programs=programs, resident=resident) if programs else None

    @property
    def toughest(self) -> BaselineTiming | None:
        """The baseline that this kernel is least certain to beat; None where none was timed."""
        return min(self.timing.baselines, key=lambda row: row.ratio_low, default=None)


def facts_of(evaluation: Evaluation) -> tuple[WorkloadFacts, ...]:
    """The facts for each timed workload; none without a measurement."""
    performance = evaluation.performance
    if performance is None:
        return ()
    return tuple(
        WorkloadFacts(
            timing=timing,
            kernels=tuple(r for r in evaluation.resources if r.workload == timing.workload),
            roofline=performance.roofline,
        )
        for timing in performance.timings
    )
