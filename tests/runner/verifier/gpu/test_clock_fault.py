"""When two clocks are taken to disagree: rows of made-up measurements, in milliseconds."""

from __future__ import annotations

import pytest

from runner.verifier.gpu.timing import clock_fault


@pytest.mark.parametrize(
    ("clock_ms", "span_ms", "median_ms"),
    [
        (3.0, 3.0, 3.05),  # a long kernel
        (0.046, 0.0445, 0.0377),  # launches take longer than the kernel, seen on an H200
        (0.030, 0.028, 0.004),  # a tiny kernel: only launching is seen from outside
        (1.0, 1.0, 0.85),  # clocks throttle in a long burst
    ],
)
def test_honest_measurements_agree(clock_ms, span_ms, median_ms):
    assert clock_fault(clock_ms, span_ms, median_ms) is None


@pytest.mark.parametrize(
    ("clock_ms", "span_ms", "median_ms", "said"),
    [
        (3.0, 0.1, 0.1, "by events"),  # the work ran where the events do not look
        (1.0, 0.5, 0.9, "by events"),
        (1.0, 1.0, 0.2, "timed alone"),  # quick only while it is timed call by call
    ],
)
def test_hidden_work_shows(clock_ms, span_ms, median_ms, said):
    assert said in str(clock_fault(clock_ms, span_ms, median_ms))
