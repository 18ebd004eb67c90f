"""The measurement behind a tune: bursts of one configuration on one workload, nothing beside it.

Owns the inputs of timed calls and the first, uncounted call. The worker's events are believed
here: a tune only ranks, and what it chooses is judged like any other candidate.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence

from runner.contract import Workload
from runner.problem import Problem
from runner.tune.types import Config
from runner.verifier.arena import SharedMemory, settle
from runner.verifier.gpu.input_sets import InputSets
from runner.verifier.gpu.timing import ENTRY, are_times
from runner.verifier.gpu.tuning_crew import Crew, Member
from runner.verifier.process import WorkerFailed


class TuningClock:
    """Measures as `runner.tune.halving` asks. `numbers`: the configuration of each arm."""

    def __init__(
        self,
        problem: Problem,
        arena: SharedMemory,
        crew: Crew,
        configs: Mapping[int, Config],
        workloads: Sequence[Workload],
    ) -> None:
        self._problem = problem
        self._arena = arena
        self._crew = crew
        self._configs = tuple(configs.items())
        self._workloads = tuple(workloads)
        self._lane: int | None = None
        self._sets: InputSets | None = None
        self._warm: set[tuple[int, int, int]] = set()

    def measure(self, arm: int, lane: int, left_s: float) -> Sequence[float] | None:
        """Milliseconds of one burst over all input sets; None where the configuration failed."""
        deadline = time.monotonic() + left_s
        sets = self._sets_of(lane)
        number, config = self._configs[arm]
        member = self._crew.owner(number)
        try:
            if (arm, lane, member.age) not in self._warm:
                self._burst(member, config, sets, 1, deadline)
                self._warm.add((arm, lane, member.age))
            sets.refresh()
            settle(self._arena.device)
            return self._burst(member, config, sets, len(sets.slots), deadline)
        except WorkerFailed:
            return None

    def _sets_of(self, lane: int) -> InputSets:
        """One workload's inputs lie in the arena at a time."""
        if self._sets is None or self._lane != lane:
            workload = self._workloads[lane]
            self._sets = None  # its memory is free before the next ones are made
            self._sets = InputSets(self._problem, workload, self._arena, secrets.randbits(48))
            self._lane = lane
            settle(self._arena.device)
        return self._sets

    def _burst(
        self, member: Member, config: Config, sets: InputSets, count: int, deadline: float
    ) -> Sequence[float] | None:
        job = {
            "op": "burst",
            "who": ENTRY,
            "arena": 0,
            "inputs": sets.rows(count),
            "outputs_at": None,
        }
        reply = member.ask(config, job, deadline)
        times = reply.get("times_ms")
        return times if reply.get("ok") is True and are_times(times, count) else None
