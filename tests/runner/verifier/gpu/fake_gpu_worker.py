"""A GPU worker that answers timing jobs as `cuda_role` does, by a clock that the test moves.

Owns no rule: it says what it is told to say, and writes down who was asked for what, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runner.contract import Workload
from runner.verifier.finding import Finding
from runner.verifier.gpu.timing import Runner, Stopwatch, Timed
from runner.verifier.process import WorkerFailed

WORKLOAD = Workload(axes={"N": 64})
Reply = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Clock:
    """The judge's clock. Each question costs the pipe's time, as it does between processes."""

    now_s: float = 100.0
    pipe_ms: float = 0.4

    def read(self) -> float:
        return self.now_s

    def pass_ms(self, spent_ms: float) -> None:
        self.now_s += spent_ms / 1e3


@dataclass(slots=True, kw_only=True)
class FakeGpuWorker:
    """`event_ms`: a call by the worker's events. `wall_ms`: what it takes by the judge's clock.

    `distort` may change a reply, or wait; it sees the job first. Whoever is asked after the
    deadline is dead from then on, as a real worker is.
    """

    clock: Clock
    log: list[tuple[str, int]]
    event_ms: float = 0.5
    wall_ms: float | None = None
    alive: bool = True
    distort: Callable[[Reply, Reply, Clock], Reply] = lambda job, reply, clock: reply

    def ask(self, job: Reply, deadline: float) -> Reply:
        self.alive = self.alive and self.clock.now_s < deadline
        if not self.alive:
            raise WorkerFailed("timeout", "it ran out of time", "")
        bursts = job["op"] == "burst"
        count = len(job["inputs"]) if bursts else job["count"]
        self.log.append((job["who"] if bursts else "plain", count))
        wall_ms = self.event_ms if self.wall_ms is None else self.wall_ms
        self.clock.pass_ms(self.clock.pipe_ms + count * wall_ms)
        if bursts:
            reply = {"ok": True, "times_ms": [self.event_ms] * count, "lag_ms": 0.01}
        else:
            span_ms = self.event_ms * count
            reply = {"ok": True, "span_ms": span_ms, "issued_ms": 0.01 * span_ms}
        return self.distort(job, reply, self.clock)


@dataclass(slots=True, kw_only=True)
class FakeSets:
    """Stands for `InputSets`: `slots` has one entry a set."""

    slots: list[int]
    log: list[tuple[str, int]]
    outputs_at: int = 4096

    def refresh(self) -> None:
        self.log.append(("refresh", 0))

    def rows(self, count: int) -> list[list[Reply]]:
        return [[{"set": number}] for number in self.slots[:count]]


@dataclass(slots=True, kw_only=True)
class Session:
    """One candidate beside its baselines; `log` has everything that was asked, in order."""

    clock: Clock = field(default_factory=Clock)
    log: list[tuple[str, int]] = field(default_factory=list)
    sets: int = 8
    names: tuple[str, ...] = ("eager", "compile")
    checked: list[tuple[int, int]] = field(default_factory=list)  # (times in the reply, set)
    verdict: Finding | None = None
    candidate: FakeGpuWorker = field(init=False)
    baselines: FakeGpuWorker = field(init=False)

    def __post_init__(self) -> None:
        self.candidate = FakeGpuWorker(clock=self.clock, log=self.log)
        self.baselines = FakeGpuWorker(clock=self.clock, log=self.log)

    def run(
        self, *, rounds: int = 100, checks: int = 3, seed: int = 1, budget_s: float = 1e6
    ) -> Timed:
        baselines = [Runner(worker=self.baselines, who=name, arena=1) for name in self.names]
        stopwatch = Stopwatch(
            Runner(worker=self.candidate, who="entry", arena=0),
            baselines,
            FakeSets(slots=list(range(self.sets)), log=self.log),
            self._check,
        )
        return stopwatch.run(WORKLOAD, rounds, checks, seed, self.clock.now_s + budget_s)

    def measured_rounds(self) -> list[list[str]]:
        """Who was timed, in order, in every round after the warm-up."""
        rounds: list[list[str]] = []
        for name, _ in self.log:
            if name == "refresh":
                rounds.append([])
            elif name != "plain" and rounds:
                rounds[-1].append(name)
        return rounds

    def _check(self, reply: Reply, number: int) -> Finding | None:
        self.checked.append((len(reply["times_ms"]), number))
        return self.verdict
