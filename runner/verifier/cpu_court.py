"""The judge's procedure without a GPU: compilation ahead of time beside a run in the interpreter.

Owns the two workers of a verdict and what stops what. Nothing is timed here.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from runner.contract import Candidate, Evaluation
from runner.errors import ReferenceFailed, RunnerError
from runner.problem import Problem
from runner.tune.declaration import Declaration
from runner.verifier.arena import Arena
from runner.verifier.assembler import Assembler
from runner.verifier.compile_stage import Compiled, CompileStage
from runner.verifier.finding import Finding
from runner.verifier.inputs import Case, plan_cases
from runner.verifier.layouts import input_slots
from runner.verifier.modules.room import refuse_what_does_not_fit
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import Oracle, arena_bytes
from runner.verifier.pool import WorkerPool
from runner.verifier.process import Role, Start, WorkerProcess
from runner.verifier.sandbox import Sandbox
from runner.verifier.second_look import path_on_zeros
from runner.verifier.sweep import Sweep, Swept
from runner.verifier.verdict import conclude, shown_another, stops, unequal_blocks

_CLOSED = "the verifier was closed before the verdict"
_PTX_BYTES = 64 << 20  # of all kernels of one workload; the memfd is sparse
_KEEP_BYTES = 4 << 30
_MOST_ASKED = 3  # workloads asked again where interpreter and compiler differ
# The reference lives as long as the verifier; each of its calls has a deadline of its own.
_REFERENCE_CPU_S = 24 * 3600.0


class CpuCourt:
    """Judges candidates for one problem in Triton's interpreter. Made by `judge.Verifier`."""

    def __init__(
        self, problem: Problem, options: VerifyOptions, sandbox: Sandbox, seed: int
    ) -> None:
        self._problem = problem
        self._options = options
        self._sandbox = sandbox
        self.cases = plan_cases(problem, seed, quick=options.quick)
        if problem.module is not None:
            refuse_what_does_not_fit(problem, self.cases)
        # Twice what is due: a wrong answer that is larger can still be described.
        self._arena_bytes: dict[Role, int] = {
            "reference": 2 * arena_bytes(problem, self.cases, wide=True),
            "candidate": 2 * arena_bytes(problem, self.cases, wide=False),
            "compiler": _PTX_BYTES,
        }
        self._pool = WorkerPool(self._start, spares=options.spares)
        self._reference: WorkerProcess | None = None
        self._oracle: Oracle | None = None
        self._assembler: Assembler | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        try:
            self._pool.restock("reference", "candidate", "compiler")
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._pool.closed

    @property
    def roofline(self) -> None:
        """Nothing is measured here."""

    def prepare(self) -> None:
        """Run the reference and refuse a spec at fault (ReferenceFailed). Done once."""
        if self._oracle is None:
            self._oracle = self._make_oracle(self.cases)
            self.cases = self._oracle.cases

    def judge(self, candidate: Candidate, times: dict[str, float]) -> Evaluation:
        """Compile and sweep side by side; what does not compile is not swept on."""
        oracle = self._oracle
        if oracle is None:
            raise RunnerError(_CLOSED)
        return self._judge(candidate, oracle, times)

    def finalize(self, candidate: Candidate, times: dict[str, float]) -> Evaluation:
        """The same with a new seed: other values, other held-out workloads."""
        cases = plan_cases(self._problem, secrets.randbits(62), quick=self._options.quick)
        started = time.monotonic()
        oracle = self._make_oracle(cases)
        times["reference"] += time.monotonic() - started
        return self._judge(candidate, oracle, times)

    def tune(self, candidate: Candidate, declaration: Declaration, deadline: float) -> None:
        """Nothing: times in an interpreter rank nothing."""

    def abandon(self) -> None:
        """Kill what judges a candidate now; the verdict under way ends at once."""
        self._pool.kill_taken("candidate", "compiler")

    def close(self) -> None:
        """End every process and give back all memory. Safe to call twice."""
        self._pool.close()
        self._executor.shutdown(wait=True)
        if self._reference is not None:
            self._pool.retire(self._reference)
            self._reference = None
        self._oracle = None

    def _make_oracle(self, cases: tuple[Case, ...]) -> Oracle:
        if self._reference is None:
            self._reference = self._pool.take("reference")
            self._reference.wait_ready()
        oracle = Oracle(
            self._problem,
            cases,
            self._reference,
            timeout_s=self._options.timeout_s,
            keep_bytes=_KEEP_BYTES,
        )
        try:
            oracle.prepare()
        except ReferenceFailed as error:
            # What failed may be stuck, or may have left its worker in any state.
            self._pool.retire(self._reference)
            self._reference = None
            if self._pool.closed:
                raise RunnerError(_CLOSED) from error
            raise
        return oracle

    def _judge(self, candidate: Candidate, oracle: Oracle, times: dict[str, float]) -> Evaluation:
        try:
            compiled, swept = self._run(candidate, oracle, times)
        finally:
            self._pool.restock("candidate", "compiler")
        if self._pool.closed:
            raise RunnerError(_CLOSED)
        return conclude(candidate, compiled, swept, times)

    def _run(
        self, candidate: Candidate, oracle: Oracle, times: dict[str, float]
    ) -> tuple[Compiled, Swept]:
        started = time.monotonic()
        compiler = self._pool.take("compiler")
        runner: WorkerProcess | None = None
        future: Future[tuple[Compiled, float]] | None = None
        try:
            runner = self._pool.take("candidate")
            compiler.wait_ready()
            runner.wait_ready()
            times["start"] = time.monotonic() - started
            deadline = time.monotonic() + self._options.timeout_s
            stage = self._compile_stage(compiler, oracle)
            try:
                future = self._executor.submit(_compile, stage, candidate, runner, deadline)
            except RuntimeError as error:  # what a closed executor raises
                raise RunnerError(_CLOSED) from error
            started = time.monotonic()
            swept = Sweep(self._problem, runner, oracle).run(candidate, deadline)
            times["sweep"] = time.monotonic() - started
            # The sweep's core is free now: the next candidate's workers start on it.
            self._pool.restock("candidate", "compiler")
            if swept.finding is not None:
                # What is left to compile cannot change the verdict.
                stage.first_done.wait()
                compiler.kill()
            compiled, times["compile"] = future.result()
            finding = self._compare_paths((compiled, swept), runner, oracle, deadline)
            if finding is not None:
                swept = replace(swept, finding=finding, checks=())
            return compiled, swept
        finally:
            compiler.kill()
            if future is not None:
                future.exception()  # the thread uses both workers: wait before they are closed
            self._pool.retire(compiler)
            if runner is not None:
                self._pool.retire(runner)

    def _compare_paths(
        self, found: tuple[Compiled, Swept], runner: WorkerProcess, oracle: Oracle, deadline: float
    ) -> Finding | None:
        """Host code may read its inputs, and these were zeros where it was compiled: where it took
        another path it is asked again, with those."""
        compiled = found[0]
        for workload in unequal_blocks(*found)[:_MOST_ASKED]:
            case = next(case for case in oracle.cases if str(case.workload) == workload)
            slots = input_slots(self._problem, case)
            idle, ran = (
                path_on_zeros(self._problem, runner, slots, deadline, idle=alone)
                for alone in (True, False)
            )
            seen = compiled.blocks.get(workload, frozenset())
            finding = shown_another(workload, seen, idle, ran)
            if finding is not None:
                return finding
        return None

    def _compile_stage(self, compiler: WorkerProcess, oracle: Oracle) -> CompileStage:
        if self._assembler is None:
            self._assembler = Assembler(compiler.ready.get("ptxas", ()), self._sandbox)
        return CompileStage(self._problem, compiler, self._assembler, oracle.cases)

    def _start(self, role: Role) -> WorkerProcess:
        arena = Arena.create(self._arena_bytes[role])
        try:
            return WorkerProcess(
                Start(
                    role=role,
                    sandbox=self._sandbox,
                    arenas=(arena,),
                    cpu_s=_REFERENCE_CPU_S if role == "reference" else 4 * self._options.timeout_s,
                )
            )
        except BaseException:
            arena.close()
            raise


def _compile(
    stage: CompileStage, candidate: Candidate, runner: WorkerProcess, deadline: float
) -> tuple[Compiled, float]:
    started = time.monotonic()
    compiled = stage.run(candidate, deadline)
    if stops(compiled):
        runner.kill()
    return compiled, time.monotonic() - started
