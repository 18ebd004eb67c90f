"""Tunes one candidate on one GPU: compile in parallel, drop, time by halving, freeze the winner.

Owns the order of the steps and how the time is shared between them. What it finds is a ranking:
the frozen source is judged afterwards like any other, in workers that saw nothing of this.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from runner.contract import Candidate, Workload
from runner.problem import Problem
from runner.tune.choice import Picked, heavy_spillers, pick
from runner.tune.declaration import Declaration
from runner.tune.freeze import Choice, freeze
from runner.tune.halving import Contest, Standings, halve
from runner.tune.types import Config, Tuned
from runner.verifier.arena import SharedMemory
from runner.verifier.assembler import Assembled
from runner.verifier.gpu.tuning_clock import TuningClock
from runner.verifier.gpu.tuning_crew import Crew, LoadFailed
from runner.verifier.gpu.tuning_trials import LATE, SPILLS, Trial
from runner.verifier.inputs import NORMAL, Case
from runner.verifier.layouts import CONTIGUOUS
from runner.verifier.oracle import Oracle, PreparedCase

# Shares of the time that is left when each step begins.
_COMPILE_SHARE = 0.55
_TIMING_SHARE = 0.85
_FIRST_LANE_SHARE = 0.6  # most kernels are compiled for the first workload, and fit the others
LEAST_S = 2.0  # with less, not even the default and one other would be timed


class Lock(Protocol):
    """Who may use the GPU: `gpu_lock.GpuLock`."""

    def checking(self) -> AbstractContextManager[None]: ...
    def timing(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a tune works with. `reports`: what the assembler said of this tune's kernels."""

    problem: Problem
    oracle: Oracle
    workloads: tuple[Workload, ...]
    arena: SharedMemory
    lock: Lock
    crew: Crew
    reports: Mapping[str, Assembled]
    gpu: str


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the steps came to."""

    standings: Standings
    arms: list[int] = field(default_factory=list)  # the configuration of each arm
    picked: Picked | None = None


class Tuning:
    """One tune of one candidate with a checked declaration."""

    def __init__(self, ground: Ground, candidate: Candidate, declaration: Declaration) -> None:
        self._ground = ground
        self._candidate = candidate
        self._declaration = declaration
        self._configs = declaration.configurations()
        self._trial = Trial(
            ground.problem, ground.arena, ground.crew, self._configs, ground.reports
        )
        self._stage_s: dict[str, float] = {}

    def run(self, deadline: float) -> Tuned:
        """The tuned candidate, by `deadline` (time.monotonic seconds).

        Raises ReferenceFailed, and RunnerError where a worker cannot be started.
        """
        self._trial.deadline = deadline
        found = _Found(standings=Standings(lanes=len(self._ground.workloads)))
        if not self._ground.workloads:
            return self._unchanged("there is no benchmark workload that could be timed here")
        if deadline - time.monotonic() < LEAST_S:
            return self._unchanged("there is no time left for it")
        try:
            with self._step("compile"), self._ground.lock.checking():
                self._compile(deadline)
            with self._step("timing"), self._ground.lock.timing():
                self._time(found, deadline)
            with self._step("check"), self._ground.lock.checking():
                self._pick(found, deadline)
        except LoadFailed as error:
            return self._unchanged(f"the candidate cannot be imported: {error}")
        if found.picked is None:
            return self._unchanged(self._why_nothing())
        return self._frozen(found, found.picked)

    def _compile(self, deadline: float) -> None:
        """Every configuration once on every benchmark workload, whatever is right stays."""
        until = _at_share(_COMPILE_SHARE, deadline)
        numbers: Sequence[int] = range(len(self._configs))
        workloads = self._ground.workloads
        for place, workload in enumerate(workloads):
            prepared = self._truth(workload)
            last = place == len(workloads) - 1
            self._trial.run(
                prepared, numbers, until if last else _at_share(_FIRST_LANE_SHARE, until)
            )
            numbers = self._trial.alive(numbers)
        spilled = {n: self._trial.found.spill_bytes.get(n, 0) for n in numbers}
        for number in heavy_spillers(spilled):
            self._trial.found.reasons[number] = SPILLS

    def _time(self, found: _Found, deadline: float) -> None:
        """Successive halving; arm 0 is the default."""
        found.arms = self._trial.alive(range(len(self._configs)))
        if found.arms[:1] != [0]:
            return  # without the default nobody could say what was gained
        clock = TuningClock(
            self._ground.problem,
            self._ground.arena,
            self._ground.crew,
            {number: self._configs[number] for number in found.arms},
            self._ground.workloads,
        )
        found.standings = halve(
            Contest(
                arms=len(found.arms),
                lanes=len(self._ground.workloads),
                measure=clock.measure,
                clock=time.monotonic,
                deadline=_at_share(_TIMING_SHARE, deadline),
                seed=secrets.randbits(32),
            )
        )

    def _pick(self, found: _Found, deadline: float) -> None:
        """The fastest that is right on the test workloads, too: a mask may be missing there."""
        for arm in found.standings.ranking():
            if self._right_on_tests(found.arms[arm], deadline):
                found.picked = pick(found.standings, arm)
                return

    def _right_on_tests(self, number: int, deadline: float) -> bool:
        tests = {str(workload) for workload in self._ground.problem.tests}
        for place, case in enumerate(self._ground.oracle.cases):
            if not _is_plain(case) or str(case.workload) not in tests:
                continue
            if time.monotonic() >= deadline:
                return True  # the verdict on the frozen source will look at them all
            self._trial.run(self._ground.oracle.case(place), [number], deadline)
            if not self._trial.alive([number]):
                return self._trial.found.reasons[number] == LATE
        return True

    def _truth(self, workload: Workload) -> PreparedCase:
        cases = self._ground.oracle.cases
        for place, case in enumerate(cases):
            if str(case.workload) == str(workload) and _is_plain(case):
                return self._ground.oracle.case(place)
        seed = secrets.randbits(48)
        return self._ground.oracle.expect_of(
            Case(workload=workload, distribution=NORMAL, seed=seed)
        )

    def _frozen(self, found: _Found, picked: Picked) -> Tuned:
        problem, workloads = self._ground.problem, self._ground.workloads
        config = self._configs[found.arms[picked.arm]]
        by_workload = {
            str(workloads[lane]): self._configs[found.arms[arm]]
            for lane, arm in picked.by_lane.items()
        }
        timed = len(found.standings.timed)
        note = _note(picked, timed, len(by_workload))
        if found.arms[picked.arm] == 0 and not by_workload:
            # The same kernel under another text would only cost a verdict.
            return self._tuned(self._candidate, config, timed, note, picked.gain)
        choice = Choice(
            config=config,
            by_workload=by_workload,
            gpu=self._ground.gpu,
            among=timed,
        )
        source = freeze(
            self._candidate.source, self._declaration, choice, problem.inputs, workloads
        )
        tuned = Candidate.of(source, self._candidate.attempt)
        return self._tuned(tuned, config, timed, note, picked.gain)

    def _unchanged(self, note: str) -> Tuned:
        return self._tuned(self._candidate, self._declaration.default, 0, note, None)

    def _tuned(
        self, candidate: Candidate, config: Config, timed: int, note: str, gain: float | None
    ) -> Tuned:
        reasons = self._trial.found.reasons
        late = sum(reason == LATE for reason in reasons.values())
        return Tuned(
            candidate=candidate,
            config=dict(config),
            tried=len(self._configs) - late if self._stage_s else 0,
            dropped=len(reasons) - late,
            timed=timed,
            note=note,
            gain=gain,
            reasons=dict(Counter(reasons.values())),
            stage_s={name: round(seconds, 3) for name, seconds in self._stage_s.items()},
        )

    def _why_nothing(self) -> str:
        found = self._trial.found
        if found.reasons.get(0, LATE) != LATE:
            return f"the default configuration {found.reasons[0]}: {found.said.get(0, '')}"
        return "no configuration could be timed: the time was too short"

    def _step(self, name: str) -> _Step:
        return _Step(self._stage_s, name)


class _Step:
    """Adds the seconds of a `with` block, waiting for the GPU included."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        spent_s = time.monotonic() - self._started
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + spent_s


def _is_plain(case: Case) -> bool:
    return case.distribution == NORMAL and case.layout == CONTIGUOUS and not case.held_out


def _at_share(share: float, deadline: float) -> float:
    now = time.monotonic()
    return now + share * max(0.0, deadline - now)


def _note(picked: Picked, timed: int, own: int) -> str:
    if picked.arm == 0 and not own:
        return f"none of {timed} timed configurations is faster than the default beyond doubt"
    gain = f" {picked.gain:.3f} times as fast as the default" if picked.gain else ""
    rest = f", {own} workload(s) with a configuration of their own" if own else ""
    return f"the best of {timed} timed configurations,{gain or ' the default fails'}{rest}"
