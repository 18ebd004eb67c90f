"""The judge's procedure on a GPU: sweep, what ran, timing, and at the end the final measurement.

Owns the GPU's memory plan and the order of stages. Never imports candidate or reference code.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

import torch

from runner.contract import (
    Candidate,
    Check,
    Evaluation,
    Performance,
    Roofline,
    Workload,
)
from runner.errors import RunnerError
from runner.problem import Problem
from runner.tune.declaration import Declaration
from runner.tune.types import Tuned
from runner.verifier.finding import Finding
from runner.verifier.gpu.baselines import Baselines
from runner.verifier.gpu.device_arena import DeviceArena
from runner.verifier.gpu.gpu_lock import GpuLock
from runner.verifier.gpu.hearing import Heard, Hearing, Standard, performance_of
from runner.verifier.gpu.memory_plan import (
    MemoryPlan,
    plan_memory,
    refuse_where_short,
    worker_bytes,
)
from runner.verifier.gpu.roofline import measure_roofline
from runner.verifier.gpu.sanitizer import sanitize
from runner.verifier.gpu.toolchain import Toolchain
from runner.verifier.gpu.tuning import Ground, Tuning
from runner.verifier.gpu.tuning_crew import crew_size, open_crew
from runner.verifier.gpu.tuning_trials import rooms
from runner.verifier.inputs import Case, plan_cases, timed_cases
from runner.verifier.memory import device_memory_told, give_back
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import Oracle
from runner.verifier.pool import WorkerPool
from runner.verifier.process import Role, Start, WorkerProcess
from runner.verifier.sandbox import Sandbox
from runner.verifier.verdict import Passed, conclude_on_gpu

FINAL_PROCESSES = 2
# Compiling the baselines takes longer than any verdict, and happens once.
_PREPARE_FACTOR = 5.0
# A reference has all cases to answer, and a candidate's short time limit is not meant for it.
_REFERENCE_S = 30.0


class GpuCourt:
    """Judges candidates for one problem on one GPU. Made and used by `judge.Verifier`.

    Where the GPU's memory runs out in the judge, all of it raises DeviceMemoryExhausted.
    """

    @device_memory_told()
    def __init__(
        self, problem: Problem, options: VerifyOptions, sandbox: Sandbox, seed: int
    ) -> None:
        if not torch.cuda.is_available():
            raise RunnerError("a GPU is asked for, and PyTorch sees none")
        self._problem = problem
        self._options = options
        self._sandbox = sandbox
        self._seed = seed
        self._plan: MemoryPlan = plan_memory(problem, self._all_cases(seed))
        self.cases = self._plan.cases
        self._lock = GpuLock(torch.cuda.current_device())
        self._tuning: WorkerPool | None = None  # of the last tune
        self._reference: WorkerProcess | None = None
        self._oracle: Oracle | None = None
        self._baselines: Baselines | None = None
        with ExitStack() as held:
            held.callback(give_back)
            self._tools = held.enter_context(closing(Toolchain(sandbox)))
            sizes = self._plan.candidate_bytes, self._plan.reference_bytes
            self._arena, self._reference_arena = (
                held.enter_context(closing(DeviceArena.create(size))) for size in sizes
            )
            self._hearing = Hearing(problem, options, self._lock, self._tools)
            self._pool = WorkerPool(self._start, spares=options.spares)
            held.callback(self._pool.close)
            self._pool.restock("cuda-reference", "cuda-candidate")
            # Given back in the opposite order: memory goes after the processes that have it mapped.
            self._held = held.pop_all()

    @property
    def closed(self) -> bool:
        return self._pool.closed

    @property
    def roofline(self) -> Roofline | None:
        """What this GPU was measured to do; None before `prepare`."""
        return None if self._oracle is None else measure_roofline(self._arena.device.index)

    @device_memory_told()
    def prepare(self) -> None:
        """Reference, spec gate, baselines, roofline. Done once; raises ReferenceFailed."""
        if self._oracle is not None:
            return
        self._reference = self._pool.take("cuda-reference")
        try:
            self._reference.wait_ready()
            self._tools.learn(self._reference.ready)
            measure_roofline(self._arena.device.index, self._lock.timing)
            with self._lock.checking():
                self._oracle = self._look_into_the_problem(self._reference)
        except (RunnerError, RuntimeError):
            # What failed may be stuck, or may have left its worker in any state.
            self._pool.retire(self._reference)
            self._reference = None
            raise

    def _look_into_the_problem(self, reference: WorkerProcess) -> Oracle:
        oracle = self._make_oracle(self.cases, reference)
        timeout_s = _PREPARE_FACTOR * self._options.timeout_s
        self._baselines = Baselines(self._problem, reference, self._arena, timeout_s)
        if not self._options.quick:
            self._baselines.prepare(self._timed(oracle), oracle.reference, self._seed)
        return oracle

    def _timed(self, oracle: Oracle) -> tuple[Workload, ...]:
        """The benchmark workloads whose truth this GPU has the memory for."""
        return tuple(w for w in self._plan.timed if str(w) not in oracle.too_large)

    @device_memory_told()
    def judge(self, candidate: Candidate, times: dict[str, float]) -> Evaluation:
        """Sweep and timing in one worker."""
        heard = self._hear(candidate, self._oracle_of(), times)
        return self._conclude(candidate, [heard], times)

    @device_memory_told()
    def finalize(self, candidate: Candidate, times: dict[str, float]) -> Evaluation:
        """The measurement that is reported: new seed, fresh processes, then the sanitizer."""
        seed = secrets.randbits(62)
        if self._reference is None:
            raise RunnerError("the verifier is closed")
        self._pool.settle()
        started = time.monotonic()
        with self._lock.checking():
            if self._oracle is not None:
                # Two truths at once may be more than a shared GPU holds; what the loop's oracle
                # still answers, it makes again.
                self._oracle.close()
            cases = plan_memory(self._problem, self._all_cases(seed)).cases
            oracle = self._make_oracle(cases, self._reference)
        times["reference"] += time.monotonic() - started
        hearings: list[Heard] = []
        for _ in range(FINAL_PROCESSES):
            hearings.append(self._hear(candidate, oracle, times))
            if hearings[-1].finding is not None:
                return self._conclude(candidate, hearings, times)
        self._pool.settle()
        started = time.monotonic()
        finding, checks = sanitize(self._problem, candidate, self._sandbox, self._options.timeout_s)
        refuse_where_short(finding, self._plan.due_bytes)
        times["sanitizer"] = time.monotonic() - started
        return self._conclude(candidate, hearings, times, finding, checks)

    @device_memory_told()
    def tune(self, candidate: Candidate, declaration: Declaration, deadline: float) -> Tuned:
        """The best launch parameters, found in workers and with tools of their own."""
        oracle = self._oracle_of()
        workloads = self._timed(oracle)
        self._pool.settle()
        with closing(self._tools.apart()) as tools:
            pool = self._tuning = WorkerPool(lambda role: self._start(role, tools))
            size = self._crew_size(workloads)
            with open_crew(pool, "cuda-candidate", self._problem, candidate.source, size) as crew:
                ground = Ground(
                    problem=self._problem,
                    oracle=oracle,
                    workloads=workloads,
                    arena=self._arena,
                    lock=self._lock,
                    crew=crew,
                    reports=tools.reports,
                    gpu=torch.cuda.get_device_name(self._arena.device),
                )
                return Tuning(ground, candidate, declaration).run(deadline)

    def _crew_size(self, workloads: Sequence[Workload]) -> int:
        free_bytes = torch.cuda.mem_get_info()[0]
        need_bytes = worker_bytes(self._problem, workloads)
        room = min((rooms(self._problem, w, self._arena.size_bytes) for w in workloads), default=1)
        return min(room, crew_size(free_bytes, need_bytes))

    def abandon(self) -> None:
        """Kill what judges or tunes a candidate now; what is under way ends at once."""
        self._pool.kill_taken("cuda-candidate")
        if self._tuning is not None:
            self._tuning.close()

    def close(self) -> None:
        """End every process and give back all memory. Safe to call twice."""
        if self._pool.closed:
            return
        self._pool.close()
        if self._tuning is not None:
            self._tuning.close()
        if self._reference is not None:
            self._pool.retire(self._reference)
        self._oracle = None
        self._held.close()

    def _hear(self, candidate: Candidate, oracle: Oracle, times: dict[str, float]) -> Heard:
        """What a fresh worker makes of it. Raises DeviceMemoryExhausted where the candidate had not
        the memory that it was due."""
        standard = Standard(
            oracle=oracle, baselines=self._baselines_of(), workloads=self._timed(oracle)
        )
        try:
            worker, passed = self._pool.take("cuda-candidate"), False
            try:
                heard = self._hearing.hear(worker, candidate, standard, times)
                passed = heard.finding is None
            finally:
                # Nobody waits for the end of one that passed: of it no memory is asked.
                (self._pool.dismiss if passed else self._pool.retire)(worker)
            refuse_where_short(heard.finding, self._plan.due_bytes)
            return heard
        finally:
            self._pool.restock("cuda-candidate")

    def _conclude(
        self,
        candidate: Candidate,
        hearings: Sequence[Heard],
        times: dict[str, float],
        finding: Finding | None = None,
        checks: Sequence[Check] = (),
    ) -> Evaluation:
        measured = [heard.measured for heard in hearings if heard.measured is not None]
        for one in measured:
            finding = finding or one.finding
        not_timed = {
            **self._plan.too_large,
            **(self._oracle.too_large if self._oracle else {}),
            **(measured[0].not_timed if measured else {}),
        }
        performance: Performance | None = None
        if measured and finding is None:
            roofline = measure_roofline(self._arena.device.index)
            performance = performance_of(measured, roofline, not_timed)
        passed = Passed(
            resources=measured[0].resources if measured else (),
            checks=(*(measured[0].checks if measured else ()), *checks),
            performance=performance,
            not_timed=not_timed,
        )
        sweeps = [heard.swept for heard in hearings]
        swept = next((swept for swept in sweeps if swept.finding is not None), sweeps[0])
        return conclude_on_gpu(candidate, swept, finding, times, passed)

    def _oracle_of(self) -> Oracle:
        self.prepare()
        if self._oracle is None:
            raise RunnerError("the verifier is closed")
        return self._oracle

    def _baselines_of(self) -> Baselines:
        if self._baselines is None:
            raise RunnerError("the verifier is closed")
        return self._baselines

    def _make_oracle(self, cases: Sequence[Case], reference: WorkerProcess) -> Oracle:
        oracle = Oracle(
            self._problem,
            cases,
            reference,
            timeout_s=max(_REFERENCE_S, self._options.timeout_s),
            keep_bytes=self._plan.keep_bytes,
        )
        oracle.prepare()
        return oracle

    def _all_cases(self, seed: int) -> tuple[Case, ...]:
        """The plan's cases, and those of the benchmark workloads: what is timed is checked too."""
        cases = plan_cases(self._problem, seed, quick=self._options.quick)
        if self._options.quick:
            return cases
        known = {(str(case.workload), case.distribution) for case in cases}
        timed = timed_cases(self._problem, seed)
        return (
            *cases,
            *(case for case in timed if (str(case.workload), case.distribution) not in known),
        )

    def _start(self, role: Role, tools: Toolchain | None = None) -> WorkerProcess:
        candidate = role == "cuda-candidate"
        arenas = (self._arena,) if candidate else (self._reference_arena, self._arena)
        return WorkerProcess(
            Start(
                role=role,
                sandbox=self._sandbox,
                arenas=arenas,
                cpu_s=4 * self._options.timeout_s if candidate else 24 * 3600,
                owned=False,
                device_fraction=self._plan.worker_fraction,
                tools=tools or self._tools,
                cache=self._tools.cache,
            )
        )
