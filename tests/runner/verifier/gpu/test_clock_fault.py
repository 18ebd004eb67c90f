"""When two clocks are taken to disagree: rows of made-up measurements, in milliseconds."""

from __future__ import annotations

import pytest

from runner.verifier.gpu.second_clock import Clocks, clock_fault


def fault(clock_ms, span_ms, issued_ms, median_ms):
    call = Clocks(clock_ms=clock_ms, span_ms=span_ms, issued_ms=issued_ms)
    return clock_fault(call, median_ms)


@pytest.mark.parametrize(
    "row",
    [
        (3.0, 3.0, 0.02, 3.05),  # a long kernel
        (0.046, 0.0445, 0.044, 0.0377),  # launches take longer than the kernel, seen on an H200
        (0.030, 0.028, 0.028, 0.004),  # a tiny kernel: only launching is seen from outside
        (0.106, 0.105, 0.104, 0.0129),  # the same on a host with too much to do, seen as well
        (1.0, 1.0, 0.02, 0.85),  # clocks throttle in a long burst
    ],
)
def test_honest_measurements_agree(row):
    assert fault(*row) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((3.0, 0.1, 0.02, 0.1), "by events"),  # the work ran where the events do not look
        ((1.0, 0.5, 0.02, 0.9), "by events"),
        ((1.0, 1.0, 0.02, 0.2), "timed alone"),  # quick only while it is timed call by call
    ],
)
def test_hidden_work_shows(row, said):
    assert said in str(fault(*row))


def test_the_difference_of_two_bursts_is_the_calls_between_them():
    long = Clocks(clock_ms=21.0, span_ms=20.5, issued_ms=2.0)
    short = Clocks(clock_ms=11.0, span_ms=10.5, issued_ms=1.0)
    one = long.less(short, 10)
    assert (one.clock_ms, one.span_ms, one.issued_ms) == (1.0, 1.0, 0.1)
    assert one.apart_ms == 0.0
