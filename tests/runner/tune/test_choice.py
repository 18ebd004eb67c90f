"""What is not worth timing, when the default stays, and when a workload gets its own."""

from __future__ import annotations

import pytest

from runner.tune.choice import HEAVY_SPILL_BYTES, heavy_spillers, pick
from runner.tune.halving import Standings
from runner.tune.standing import SYSTEMATIC, estimate

HEAVY = HEAVY_SPILL_BYTES + 1


@pytest.mark.parametrize(
    ("spilled", "dropped"),
    [
        ({0: 0, 1: HEAVY, 2: 8}, {1}),
        ({0: HEAVY, 1: HEAVY, 2: 0}, {1}),
        ({0: HEAVY, 1: HEAVY}, set()),
        ({0: 0, 1: HEAVY_SPILL_BYTES}, set()),
        ({}, set()),
    ],
)
def test_heavy_spills_are_dropped_when_another_has_none(spilled, dropped):
    assert heavy_spillers(spilled) == dropped


def standings(*rows):
    """One row an arm: its steady time in each lane."""
    times = {
        (arm, lane): [time_ms] * 20
        for arm, row in enumerate(rows)
        for lane, time_ms in enumerate(row)
    }
    lanes = len(rows[0])
    return Standings(lanes=lanes, times_ms=times, finalists=frozenset(range(len(rows))))


def test_the_faster_one_is_picked_and_its_gain_told():
    picked = pick(standings([2.0], [1.0]), 1)
    assert (picked.arm, picked.by_lane) == (1, {})
    assert picked.gain == pytest.approx(2.0)


def test_within_the_noise_the_default_stays():
    picked = pick(standings([1.0], [1.0 - SYSTEMATIC]), 1)
    assert picked.arm == 0
    assert picked.gain == 1.0


def test_a_workload_gets_its_own_where_that_pays():
    found = standings([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.9, 0.4, 0.49])
    assert pick(found, 1).by_lane == {1: 2}


def test_the_default_may_stay_and_a_workload_have_its_own():
    picked = pick(standings([1.0, 1.0], [1.4, 0.8]), 1)
    assert (picked.arm, picked.by_lane, picked.gain) == (0, {1: 1}, 1.0)


def test_a_default_that_failed_has_no_gain_to_tell():
    found = standings([1.0], [1.0])
    found.failed.add(0)
    assert pick(found, 1).arm == 1
    assert pick(found, 1).gain is None


def test_a_median_of_few_calls_is_known_within_their_range_and_no_better_than_the_machine():
    found = estimate([3.0, 1.0, 2.0])
    assert found.value_ms == 2.0
    assert (found.low_ms, found.high_ms) == (1.0 * (1 - SYSTEMATIC), 3.0 * (1 + SYSTEMATIC))
    assert estimate([1.0] * 1000).width == pytest.approx(2 * SYSTEMATIC)


def test_more_calls_narrow_the_interval():
    few, many = estimate([1.0, 1.1, 1.2, 1.3] * 4), estimate([1.0, 1.1, 1.2, 1.3, 1.15] * 80)
    assert many.width < few.width
