"""Successive halving by a made-up clock: finds the best or one within the noise, in its budget."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from runner.tune.halving import Contest, halve

CALLS = 8


@dataclass(slots=True, kw_only=True)
class Bench:
    """Times by table, with noise: `true_ms[lane][arm]`. Each question costs the pipe's time."""

    true_ms: list[list[float]]
    noise: float = 0.0
    seed: int = 1
    fails: frozenset[int] = frozenset()
    now_s: float = 100.0
    pipe_s: float = 0.002
    asked: list[tuple[int, int]] = field(default_factory=list)

    def measure(self, arm, lane, left_s):
        self.asked.append((arm, lane))
        draw = random.Random(f"{self.seed} {len(self.asked)}")
        # A long tail upwards, as on a machine: nothing makes a kernel faster than it is.
        times = [
            self.true_ms[lane][arm] * (1 + self.noise * draw.expovariate(1)) for _ in range(CALLS)
        ]
        spent_s = self.pipe_s + sum(times) / 1e3
        self.now_s += min(spent_s, left_s)
        return None if arm in self.fails or spent_s > left_s else times

    def run(self, budget_s=1e6):
        return halve(
            Contest(
                arms=len(self.true_ms[0]),
                lanes=len(self.true_ms),
                measure=self.measure,
                clock=lambda: self.now_s,
                deadline=self.now_s + budget_s,
                seed=self.seed,
            )
        )


def spread(arms, seed, lanes=1):
    """Arms between 1 and 4 ms, one of them the best by 2 %."""
    draw = random.Random(seed)
    rows = [[draw.uniform(1.02, 4.0) for _ in range(arms)] for _ in range(lanes)]
    best = draw.randrange(arms)
    for row in rows:
        row[best] = 1.0
    return rows, best


@pytest.mark.parametrize("arms", [1, 2, 3, 7, 48, 512])
def test_without_noise_the_best_is_found(arms):
    true_ms, best = spread(arms, seed=arms)
    standings = Bench(true_ms=true_ms).run()
    assert standings.ranking()[0] == best
    assert standings.timed == frozenset(range(arms))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("noise", "lanes"), [(0.02, 1), (0.1, 1), (0.3, 1), (0.1, 3)])
def test_in_noise_the_winner_is_the_best_or_within_it(noise, lanes, seed):
    true_ms, best = spread(64, seed, lanes)
    winner = Bench(true_ms=true_ms, noise=noise, seed=seed).run().ranking()[0]
    # The median of 8 calls with this tail is off by about a third of the noise.
    allowed = 1 + max(0.005, 0.5 * noise)
    assert all(row[winner] <= allowed * row[best] for row in true_ms)


@pytest.mark.parametrize("budget_s", [0.0, 0.01, 0.05, 0.2, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("lanes", [1, 3])
def test_never_spends_more_than_its_budget(budget_s, lanes):
    true_ms, _ = spread(100, seed=3, lanes=lanes)
    true_ms[0][17] = 300.0  # far longer than any before it
    bench = Bench(true_ms=true_ms, noise=0.1)
    began_s = bench.now_s
    bench.run(budget_s)
    assert bench.now_s - began_s <= budget_s + 1e-9  # floats of seconds


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_budget_too_small_for_all_still_ranks_those_that_were_reached(lanes):
    true_ms, _ = spread(400, seed=4, lanes=lanes)
    bench = Bench(true_ms=true_ms)
    standings = bench.run(budget_s=1.0)
    ranking = standings.ranking()
    assert 0 < len(ranking) < 400
    assert 0 in ranking
    assert all(standings.overall(arm) is not None for arm in ranking)


def test_at_most_half_of_them_are_timed_again():
    bench = Bench(true_ms=[[1.0] * 32], noise=0.5)
    bench.run()
    counts = [bench.asked.count((arm, 0)) for arm in range(32)]
    assert min(counts) == 1
    assert 2 <= sum(count > 1 for count in counts) <= 17  # half of them, and the default
    assert 2 <= sum(count > 2 for count in counts) <= 9


def test_who_is_worse_beyond_doubt_goes_at_once_even_from_the_better_half():
    true_ms = [[1.0] * 2 + [3.0] * 30]
    bench = Bench(true_ms=true_ms, noise=0.01)
    bench.run()
    assert {bench.asked.count((arm, 0)) for arm in range(2, 32)} == {1}


def test_the_default_is_timed_to_the_end():
    true_ms = [[9.0] + [1.0 + 0.001 * arm for arm in range(31)]]
    bench = Bench(true_ms=true_ms, noise=0.05)
    standings = bench.run()
    counts = [bench.asked.count((arm, 0)) for arm in range(32)]
    assert 0 in standings.finalists
    assert counts[0] == max(counts)


def test_whoever_fails_is_out_and_not_asked_again():
    true_ms, best = spread(20, seed=9)
    bench = Bench(true_ms=true_ms, fails=frozenset({best}))
    standings = bench.run()
    assert best not in standings.ranking()
    assert bench.asked.count((best, 0)) == 1


def test_when_all_fail_nobody_is_ranked():
    assert Bench(true_ms=[[1.0, 2.0]], fails=frozenset({0, 1})).run().ranking() == []


def test_the_best_compromise_and_each_lanes_winner_stay():
    # Arm 1 wins lane 0, arm 2 lane 1, arm 3 neither, and the mean.
    true_ms = [[4.0, 1.0, 3.0, 1.3], [4.0, 3.0, 1.0, 1.3]]
    standings = Bench(true_ms=true_ms, noise=0.02).run()
    assert standings.ranking()[0] == 3
    assert {1, 2, 3} <= standings.finalists


def test_an_endless_jitter_comes_to_an_end():
    bench = Bench(true_ms=[[1.0, 1.0, 1.0]], noise=5.0)
    assert bench.run().rungs < 20
