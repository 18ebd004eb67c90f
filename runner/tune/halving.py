"""Successive halving over noisy timings, within a budget of seconds.

Owns who is timed again and who is dropped. Times nothing itself: the caller brings a measurement
and a clock. The method is K. Jamieson's and A. Talwalkar's (Non-stochastic Best Arm
Identification, 2016), with two rules of our own: whoever is worse beyond doubt goes at once, and
several lanes (workloads) run side by side, because the best compromise may win none of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.tune.standing import Estimate, estimate, mean_of

# Milliseconds of some calls of arm `arm` in lane `lane`, taken within `left_s` seconds; None where
# that failed, and then the arm is out.
Measure = Callable[[int, int, float], Sequence[float] | None]
MAX_ROUNDS = 8  # of one arm in one lane and one rung
_KNOWN_WELL = 0.02  # an interval this wide, as a share of the time
_MAX_RUNGS = 10  # more than 512 arms need; a clock that never gets steady ends here
# A measurement is begun when this many times the longest one of its lane still fits.
_CAUTION = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Arms 0 … `arms` - 1, each in lanes 0 … `lanes` - 1.

    Arm 0 is what the others are measured against: it is timed to the end, if it does not fail.
    `clock` is in seconds; nothing is begun that would end behind `deadline`. `seed`: the order.
    """

    arms: int
    lanes: int
    measure: Measure
    clock: Callable[[], float]
    deadline: float
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Standings:
    """All times taken, by arm and lane, and who failed. Arms without any time are in neither."""

    lanes: int
    times_ms: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    finalists: frozenset[int] = frozenset()
    rungs: int = 0

    @property
    def timed(self) -> frozenset[int]:
        """The arms that were timed at all."""
        return frozenset(arm for arm, _ in self.times_ms)

    def of(self, arm: int, lane: int) -> Estimate | None:
        """The arm's time in one lane, if it was taken and the arm did not fail."""
        times = self.times_ms.get((arm, lane))
        return estimate(times) if times and arm not in self.failed else None

    def overall(self, arm: int) -> Estimate | None:
        """The geometric mean over all lanes; None unless the arm was timed in each."""
        found = [self.of(arm, lane) for lane in range(self.lanes)]
        known = [one for one in found if one is not None]
        return mean_of(known) if len(known) == self.lanes else None

    def ranking(self) -> list[int]:
        """Who may be chosen for all lanes: the finalists, then the others, each by time.

        Arm 0 is among the others: it is a finalist whatever its time.
        """
        rows = [(arm, self.overall(arm)) for arm in self.timed]
        won = self.finalists - {0}
        order = [(arm not in won, one.value_ms, arm) for arm, one in rows if one]
        return [arm for _, _, arm in sorted(order)]


def halve(contest: Contest) -> Standings:
    """Time all arms once, then each time the better half again, twice as often.

    An arm stays while it is in the better half overall or in one lane. Ends when one arm is left
    everywhere and its time is known well, or when no further measurement fits into the budget.
    """
    return _Halving(contest).run()


class _Halving:
    """One contest. `alive`: the arms still in it, by objective; None is all lanes together."""

    def __init__(self, contest: Contest) -> None:
        self._contest = contest
        self._found = Standings(lanes=contest.lanes)
        self._draw = random.Random(contest.seed)  # noqa: S311 - an order protects nothing
        objectives: list[int | None] = [None]
        if contest.lanes > 1:
            objectives += range(contest.lanes)
        self._alive = {objective: list(range(contest.arms)) for objective in objectives}
        self._longest_s: dict[int, float] = {}

    def run(self) -> Standings:
        whole, rounds = self._first_rung(), 1
        while whole and not self._settled():
            whole = self._rung(rounds)
            rounds = min(2 * rounds, MAX_ROUNDS)
        self._found.finalists = frozenset(self._left())
        return self._found

    def _first_rung(self) -> bool:
        """Everybody once in every lane, in one order: whoever time does not reach is left out."""
        order = [0, *self._draw.sample(range(1, self._contest.arms), self._contest.arms - 1)]
        lanes = range(self._contest.lanes)
        for lane in lanes:
            now = self._contest.clock()
            # So that every lane is reached, by some arms at least.
            until = now + (self._contest.deadline - now) / (self._contest.lanes - lane)
            for arm in order:
                if arm not in self._found.failed and not self._measure(arm, lane, until):
                    break
            order = [arm for arm in order if self._found.of(arm, lane) is not None]
        self._found.rungs = 1
        self._drop()
        return bool(order)

    def _rung(self, rounds: int) -> bool:
        """`rounds` more for each arm that is left, in turn; False when the time is over."""
        for lane in range(self._contest.lanes):
            arms = sorted({*self._alive[None], *self._alive.get(lane, ())})
            for _ in range(rounds):
                for arm in self._draw.sample(arms, len(arms)):
                    if arm in self._found.failed:
                        continue
                    if not self._measure(arm, lane, self._contest.deadline):
                        return False
        self._found.rungs += 1
        self._drop()
        return True

    def _measure(self, arm: int, lane: int, until: float) -> bool:
        """One measurement, if it fits; False where it does not."""
        started = self._contest.clock()
        expected_s = self._longest_s.get(lane, max(self._longest_s.values(), default=0.0))
        if started >= until or started + _CAUTION * expected_s > until:
            return False
        times = self._contest.measure(arm, lane, self._contest.deadline - started)
        spent_s = self._contest.clock() - started
        self._longest_s[lane] = max(self._longest_s.get(lane, 0.0), spent_s)
        if times is None:
            self._found.failed.add(arm)
        else:
            self._found.times_ms.setdefault((arm, lane), []).extend(times)
        return True

    def _drop(self) -> None:
        for objective, arms in self._alive.items():
            self._alive[objective] = _better_half(self._rows(objective, arms))

    def _rows(self, objective: int | None, arms: Iterable[int]) -> dict[int, Estimate]:
        found = self._found
        rows = {
            arm: found.overall(arm) if objective is None else found.of(arm, objective)
            for arm in arms
        }
        return {arm: one for arm, one in rows.items() if one is not None}

    def _left(self) -> set[int]:
        return {arm for arms in self._alive.values() for arm in arms}

    def _settled(self) -> bool:
        """Whether one arm is left for each objective, and all that are left are known well."""
        if len(self._left()) < 2 or self._found.rungs > _MAX_RUNGS:
            return True
        if any(len(set(arms) - {0}) > 1 for arms in self._alive.values()):
            return False
        found = [self._rows(objective, arms) for objective, arms in self._alive.items()]
        return all(one.width < _KNOWN_WELL for rows in found for one in rows.values())


def _better_half(rows: Mapping[int, Estimate]) -> list[int]:
    """Arm 0, and of the others at most half, by time, none that is worse beyond doubt."""
    order = sorted(rows, key=lambda arm: rows[arm].value_ms)
    others = [arm for arm in order if arm != 0]
    kept = others[: math.ceil(len(others) / 2)]
    stays = [arm for arm in kept if not rows[arm].worse_than(rows[order[0]])]
    return stays + [0] * (0 in rows)
