"""Two clocks beside each other: the worker's events, and the judge's own. Runs nothing.

Owns what counts as agreement, and the words for a clock that cannot be right.
"""

from __future__ import annotations

from dataclasses import dataclass

# A burst is timed from outside through a pipe and by launches from Python: so much it may differ.
_CLOCK_SHARE, _CLOCK_SLACK_MS = 0.15, 0.03
# A call with a cold cache, alone, against calls in a row: what launching may hide, and throttling.
_CALL_SHARE, _LAUNCH_MS = 0.7, 0.06
_LAUNCH_BOUND = 0.6
_MAX_LAUNCH_MS = 1.0  # of one call; how long it took is the worker's own word
# What asking costs beside the calls. The difference of two bursts alone could be made small by
# waiting in the shorter one, so both have to come back in time as well.
ASK_MS = 6.0


CLOCKS_EXPLAINED = (
    "Bursts of n and 2 n calls are timed by the judge, from outside the process, and must agree "
    "with the events. Work on other streams, in threads, or put off until later makes them differ."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Calls in a row, in milliseconds: by the judge's clock, by the worker's events, and how long
    the worker took to launch them."""

    clock_ms: float
    span_ms: float
    issued_ms: float

    @property
    def apart_ms(self) -> float:
        return abs(self.clock_ms - self.span_ms)

    @property
    def late_ms(self) -> float:
        """By how much the judge's clock is behind what events allow."""
        return self.clock_ms - self.span_ms * (1 + _CLOCK_SHARE)

    def less(self, shorter: Clocks, count: int) -> Clocks:
        """One call, from a burst that is `count` calls longer than `shorter`."""
        return Clocks(
            clock_ms=(self.clock_ms - shorter.clock_ms) / count,
            span_ms=(self.span_ms - shorter.span_ms) / count,
            issued_ms=(self.issued_ms - shorter.issued_ms) / count,
        )


def burst_fault(long: Clocks, short: Clocks) -> str | None:
    """Why two bursts, whatever their difference is, cannot have been only that, or None."""
    excess_ms = long.late_ms + short.late_ms
    if excess_ms > 2 * ASK_MS:
        return f"bursts take {excess_ms:.3g} ms more by the judge's clock than by events"
    return None


def clock_fault(call: Clocks, median_ms: float) -> str | None:
    """Why the times of one call cannot be right, or None. `call`: one call of a burst;
    `median_ms`: by events, of calls alone."""
    clock_ms, span_ms = call.clock_ms, call.span_ms
    if clock_ms <= 0 or span_ms <= 0:
        return "calls take no time by the judge's clock"
    if clock_ms > span_ms * (1 + _CLOCK_SHARE) + _CLOCK_SLACK_MS:
        return f"a call takes {clock_ms:.4g} ms by the judge's clock and {span_ms:.4g} ms by events"
    # Where launching takes longer than the work, a burst says nothing of the work.
    launch_bound = clock_ms < _MAX_LAUNCH_MS and call.issued_ms > _LAUNCH_BOUND * clock_ms
    if not launch_bound and median_ms < clock_ms * _CALL_SHARE - _LAUNCH_MS:
        return (
            f"a call takes {clock_ms:.4g} ms by the judge's clock and {median_ms:.4g} ms when "
            "timed alone"
        )
    return None
