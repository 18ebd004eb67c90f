"""The time of one run, over all its starts.

Owns what has been spent and what is left. Knows nothing of what it is spent on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClock:
    """`began_s`: when the run would have begun had it never been interrupted, by `monotonic`."""

    began_s: float
    budget_s: float

    def at_s(self) -> float:
        """Seconds that the run has taken."""
        return time.monotonic() - self.began_s

    def left_s(self) -> float:
        """Seconds of its budget that are left; below zero once it is spent."""
        return self.budget_s - self.at_s()
