"""Stage 6 on a GPU for one worker: the timing of every benchmark workload, after `watching`.

Owns what is believed of a measurement: outputs of timed calls are checked, the clocks agree, and
nothing is faster than physics.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.contract import (
    Check,
    EvaluationStatus,
    KernelResources,
    Workload,
    WorkloadTiming,
)
from runner.problem import Problem
from runner.verifier.assembler import Assembled
from runner.verifier.evidence import worker_failed
from runner.verifier.finding import Finding
from runner.verifier.gpu.baselines import Baselines
from runner.verifier.gpu.figures import baseline_timing
from runner.verifier.gpu.input_sets import TimedInputs
from runner.verifier.gpu.roofline import floor_ms, measure_roofline, share_of
from runner.verifier.gpu.statistics import median_ms, ratio_of
from runner.verifier.gpu.timing import (
    ENTRY,
    BaselineFailed,
    Runner,
    Stopwatch,
    Timed,
    TimingRefused,
)
from runner.verifier.gpu.traffic import input_bytes, output_bytes, smallest_workload
from runner.verifier.gpu.watching import Watching
from runner.verifier.inputs import NORMAL, Case
from runner.verifier.judgement import compare_outputs
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import Oracle
from runner.verifier.process import WorkerFailed, WorkerProcess

_CHECKED_CALLS = 3
# Making the truth for a large workload takes longer than timing it: fewer calls are checked.
_LARGE_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one worker's measurement found. `finding` says why it is refused, if it is."""

    finding: Finding | None
    timings: tuple[WorkloadTiming, ...] = ()
    resources: tuple[KernelResources, ...] = ()
    checks: tuple[Check, ...] = ()
    own_share: float = 1.0
    not_timed: Mapping[str, str]


class Measurement:
    """Measures one candidate, loaded in `worker` and found correct before."""

    def __init__(
        self,
        problem: Problem,
        options: VerifyOptions,
        worker: WorkerProcess,
        oracle: Oracle,
        baselines: Baselines,
    ) -> None:
        self._problem = problem
        self._options = options
        self._worker = worker
        self._oracle = oracle
        self._baselines = baselines
        self._inputs = TimedInputs(problem, worker.arena)
        self._watching = Watching(problem, worker, self._inputs)
        self._clocks: list[str] = []
        self._checked = 0
        self._not_timed: dict[str, str] = {}

    def watch(
        self,
        workloads: Sequence[Workload],
        reports: Mapping[str, Assembled],
        deadline: float,
    ) -> Finding | None:
        """What runs in a call on each of `workloads`, and whether it may. Nothing is timed."""
        if self._options.quick or not workloads:
            workloads = [smallest_workload(self._problem)]
        # Backwards, so that the inputs of the first to be timed are there when timing begins.
        return self._watching.run([*reversed(workloads)], reports, deadline)

    def run(self, workloads: Sequence[Workload], deadline: float) -> Measured:
        """Time all of `workloads`, which were watched before, until one is refused."""
        timings: list[WorkloadTiming] = []
        finding: Finding | None = None
        try:
            for workload in workloads if not self._options.quick else ():
                timings.append(self._measure(workload, deadline))
        except TimingRefused as refused:
            finding = refused.finding
        except WorkerFailed as error:
            finding = worker_failed(error, "timing", "while it was timed")
        return self.result(finding, timings)

    def result(self, finding: Finding | None, timings: Sequence[WorkloadTiming] = ()) -> Measured:
        """What was found so far."""
        return Measured(
            finding=finding,
            timings=tuple(timings),
            resources=tuple(self._watching.resources),
            checks=self._checks(),
            own_share=min(self._watching.shares, default=1.0),
            not_timed=self._not_timed,
        )

    def _measure(self, workload: Workload, deadline: float) -> WorkloadTiming:
        seed = secrets.randbits(48)
        sets = self._inputs.of(workload)

        def check(reply: dict[str, Any], number: int) -> Finding | None:
            case = Case(
                workload=workload, distribution=NORMAL, seed=seed, module_seed=sets.module_seed
            )
            prepared = self._oracle.expect_of(case, sets.values(number))
            return compare_outputs(self._problem, prepared, reply, self._worker.arena)

        large = len(sets.slots) * input_bytes(self._problem, workload) > _LARGE_BYTES
        candidate = Runner(worker=self._worker, who=ENTRY, arena=0)
        while True:
            baselines = self._baselines.runners(workload)
            try:
                timed = Stopwatch(candidate, baselines, sets, check).run(
                    workload, self._options.rounds, 1 if large else _CHECKED_CALLS, seed, deadline
                )
                break
            except BaselineFailed as error:
                self._baselines.failed[(str(workload), error.name)] = str(error)
        for runner in baselines:
            self._not_timed.pop(f"{workload}: {runner.who}", None)
        self._not_timed |= {
            f"{failed}: {name}": why
            for (failed, name), why in self._baselines.failed.items()
            if failed == str(workload)
        }
        self._checked += timed.checked
        return self._timing_of(workload, timed, seed)

    def _timing_of(self, workload: Workload, timed: Timed, seed: int) -> WorkloadTiming:
        problem, roofline = self._problem, measure_roofline(self._worker.arena.device.index)
        bursts = timed.bursts[ENTRY]
        time_ms = median_ms(bursts)
        read = input_bytes(problem, workload, self._baselines.read_whole)
        floor = floor_ms(read, output_bytes(problem, workload), roofline)
        if time_ms < floor:
            raise TimingRefused(_faster_than_physics(workload, time_ms, floor))
        moved = input_bytes(problem, workload) + output_bytes(problem, workload)
        flops = self._baselines.flops.get(str(workload))
        share, bound = share_of(moved, flops, _main_dtype(problem), time_ms, roofline)
        self._clocks.append(
            f"{workload}: {timed.clock_ms:.4g} ms by the judge's clock, "
            f"{timed.span_ms:.4g} ms by events"
        )
        return WorkloadTiming(
            workload=workload,
            median_ms=time_ms,
            baselines=tuple(
                baseline_timing(name, theirs, ratio_of(bursts, theirs, seed))
                for name, theirs in timed.bursts.items()
                if name != ENTRY
            ),
            calls=sum(map(len, bursts)),
            moved_bytes=moved,
            flops=flops,
            floor_ms=floor,
            clock_ms=timed.clock_ms,
            span_ms=timed.span_ms,
            gb_per_s=moved / time_ms / 1e6,
            tflop_per_s=flops / time_ms / 1e9 if flops else None,
            roofline_share=share,
            bound=bound,
        )

    def _checks(self) -> tuple[Check, ...]:
        found: list[Check] = []
        if self._watching.shares:
            share = f"{min(self._watching.shares):.1%} of the GPU's kernel time, by CUPTI"
            found.append(Check(name="own kernels", detail=f"{share}, all on the caller's stream"))
        if self._clocks:
            found.append(Check(name="two clocks", detail="; ".join(self._clocks)))
            found.append(
                Check(
                    name="timed outputs",
                    detail=f"{self._checked} calls drawn at random from the timed ones were right",
                )
            )
            found.append(Check(name="physics", detail="no workload is faster than its floor"))
        return tuple(found)


def _main_dtype(problem: Problem) -> str:
    """The type that arithmetic is counted in: that of the first floating input, else output."""
    rows = (*problem.inputs, *problem.outputs)
    return next((spec.dtype for spec in rows if "float" in spec.dtype), rows[0].dtype)


def _faster_than_physics(workload: Workload, time_ms: float, floor: float) -> Finding:
    return Finding(
        status=EvaluationStatus.CHEATED,
        stage="timing",
        summary=f"{time_ms:.4g} ms on {workload} is faster than this GPU can move the data",
        detail=f"Reading the inputs and writing the outputs takes at least {floor:.4g} ms: what "
        "was timed is not the work.",
    )
