"""Ratios and their intervals, on made-up timings whose truth is known."""

from __future__ import annotations

import random

import pytest

from runner.verifier.gpu.statistics import Ratio, hull, median_ms, ratio_of


def noisy_bursts(draw: random.Random, time_ms: float, drift: list[float]) -> list[list[float]]:
    """Eight calls a burst, 1 % noise, all of a burst slowed by the same drift."""
    return [[time_ms * slow * draw.gauss(1.0, 0.01) for _ in range(8)] for slow in drift]


def test_the_ratio_is_baseline_over_candidate():
    ratio = ratio_of([[1.0, 1.0]] * 12, [[2.0, 2.0]] * 12, seed=1)
    assert ratio.value == 2.0
    assert ratio.low < 2.0 < ratio.high


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    covered = 0
    for trial in range(60):
        draw = random.Random(trial)
        drift = [1.0] * 14
        ratio = ratio_of(noisy_bursts(draw, 1.0, drift), noisy_bursts(draw, 1.3, drift), seed=trial)
        covered += ratio.low <= 1.3 <= ratio.high
    assert covered >= 54


def test_a_clock_that_drifts_for_both_does_not_move_the_ratio():
    draw = random.Random(3)
    drift = [1.0 + 0.05 * number for number in range(14)]  # 65 % slower at the end
    ratio = ratio_of(noisy_bursts(draw, 1.0, drift), noisy_bursts(draw, 1.1, drift), seed=3)
    assert ratio.value == pytest.approx(1.1, rel=0.02)
    assert ratio.high - ratio.low < 0.08


def test_equal_kernels_are_no_significant_win():
    draw = random.Random(4)
    drift = [1.0] * 14
    ratio = ratio_of(noisy_bursts(draw, 1.0, drift), noisy_bursts(draw, 1.0, drift), seed=4)
    assert ratio.low < 1.0 < ratio.high


@pytest.mark.parametrize("baseline", [[[1.0]], [[1.0]] * 3], ids=["one burst", "not paired"])
def test_bursts_that_are_no_pairs_are_refused(baseline):
    with pytest.raises(ValueError, match="cannot be compared"):
        ratio_of([[1.0]] * len(baseline[:1]), baseline, seed=1)


def test_several_processes_give_an_interval_that_holds_all_of_theirs():
    rows = [Ratio(value=1.10, low=1.08, high=1.12), Ratio(value=1.20, low=1.18, high=1.22)]
    assert hull(rows) == Ratio(value=pytest.approx(1.15), low=1.08, high=1.22)


def test_the_median_is_over_all_calls():
    assert median_ms([[1.0, 2.0], [3.0, 100.0]]) == 2.5
