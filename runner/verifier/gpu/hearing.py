"""One hearing of a candidate: its answers, what ran, and its times, in one fresh worker.

Owns the order of these stages and which seconds are the candidate's own. Starts and ends no worker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runner.contract import Candidate, Performance, Roofline, Workload
from runner.problem import Problem
from runner.verifier.finding import Finding
from runner.verifier.gpu.baselines import Baselines
from runner.verifier.gpu.figures import join_timings
from runner.verifier.gpu.gpu_lock import GpuLock
from runner.verifier.gpu.kernel_share import MOSTLY_OWN
from runner.verifier.gpu.measure import Measured, Measurement
from runner.verifier.gpu.toolchain import Toolchain
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import Oracle
from runner.verifier.process import WorkerProcess
from runner.verifier.sweep import Sweep, Swept


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one worker process made of a candidate."""

    swept: Swept
    measured: Measured | None

    @property
    def finding(self) -> Finding | None:
        """Why it does not pass, if it does not."""
        return self.swept.finding or (self.measured.finding if self.measured else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a candidate is judged by. `workloads`: those that are timed."""

    oracle: Oracle
    baselines: Baselines
    workloads: tuple[Workload, ...]


class Hearing:
    """Hears candidates for one problem, in workers that its caller starts and ends."""

    def __init__(
        self, problem: Problem, options: VerifyOptions, lock: GpuLock, tools: Toolchain
    ) -> None:
        self._problem = problem
        self._options = options
        self._lock = lock
        self._tools = tools

    def hear(
        self,
        worker: WorkerProcess,
        candidate: Candidate,
        standard: Standard,
        times: dict[str, float],
    ) -> Heard:
        """Sweep, watched calls, times; calls without its kernels where the library took the most.

        `times`: seconds by stage, added to.
        """
        started = time.monotonic()
        worker.wait_ready()
        self._tools.learn(worker.ready)
        _add(times, "start", started)
        with self._lock.checking():
            started = time.monotonic()
            # Neither the worker's start nor another judge's timing is the candidate's time.
            deadline = started + self._options.timeout_s
            sweep = Sweep(self._problem, worker, standard.oracle)
            swept = sweep.run(candidate, deadline)
            _add(times, "sweep", started)
            if swept.finding is not None:
                return Heard(swept=swept, measured=None)
            started = time.monotonic()
            measurement = Measurement(
                self._problem, self._options, worker, standard.oracle, standard.baselines
            )
            finding = measurement.watch(standard.workloads, self._tools.reports, deadline)
            _add(times, "watch", started)
            if finding is not None:
                return Heard(swept=swept, measured=measurement.result(finding))
        left_s = deadline - time.monotonic()
        with self._lock.timing():
            started = time.monotonic()
            deadline = started + left_s
            measured = measurement.run(standard.workloads, deadline)
        _add(times, "timing", started)
        if measured.finding is None and measured.own_share < MOSTLY_OWN:
            left_s = deadline - time.monotonic()
            with self._lock.checking():
                started = time.monotonic()
                finding = sweep.judge_without_kernels(started + left_s)
                _add(times, "sweep", started)
            if finding is not None:
                swept = replace(swept, finding=finding, checks=())
        return Heard(swept=swept, measured=measured)


def performance_of(
    measured: Sequence[Measured], roofline: Roofline, not_timed: Mapping[str, str]
) -> Performance | None:
    """The figures of several processes as one; None where nothing was timed."""
    timings = join_timings([one.timings for one in measured])
    if not timings:
        return None
    return Performance(
        timings=timings,
        roofline=roofline,
        fresh_processes=len(measured),
        own_share=min(one.own_share for one in measured),
        not_timed=dict(not_timed),
    )


def _add(times: dict[str, float], name: str, started: float) -> None:
    """Add the seconds since `started` (time.monotonic) to a stage."""
    times[name] = times.get(name, 0.0) + time.monotonic() - started
