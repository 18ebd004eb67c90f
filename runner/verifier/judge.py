"""The judge: takes a candidate through the cascade and says PASSED, or why not.

Trusted and long-lived. Owns the secret seed, the inputs, the expected outputs, the clock and the
order of stages. Never imports candidate or reference code; a bad candidate is an Evaluation.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Literal, Self

from runner.contract import Candidate, Evaluation
from runner.errors import ReferenceFailed, RunnerError
from runner.problem import Problem
from runner.verifier.arena import Arena
from runner.verifier.assembler import Assembler
from runner.verifier.compile_stage import Compiled, CompileStage
from runner.verifier.inputs import Case, plan_cases
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import PreparedCase, arena_bytes, prepare_cases
from runner.verifier.pool import WorkerPool
from runner.verifier.process import Role, Start, WorkerProcess
from runner.verifier.sandbox import Sandbox, open_sandbox
from runner.verifier.screen import screen
from runner.verifier.sweep import Sweep, Swept
from runner.verifier.verdict import conclude, evaluation_of, stops

_CLOSED = "the verifier was closed before the verdict"
_PTX_BYTES = 64 << 20  # of all kernels of one workload; the memfd is sparse


class Verifier:
    """Judges candidates for one problem. A context manager: it holds processes and memory.

    Making one starts warm workers and raises SandboxUnavailable where generated code cannot be
    contained. The reference runs once, at the first verdict or at `prepare`; inputs are drawn
    from one secret seed for the life of the verifier. One verdict at a time; `close` may come from
    another thread, and then ends a verdict under way with RunnerError. Use it from threads that
    live on: a worker ends with the thread that started it.
    """

    def __init__(self, problem: Problem, options: VerifyOptions) -> None:
        self._problem = problem
        self._options = options
        self._sandbox = open_sandbox(allow_none=options.allow_no_sandbox)
        seed = secrets.randbits(62) if options.seed is None else options.seed
        self._cases = plan_cases(problem, seed, quick=options.quick)
        self._pool = _make_pool(problem, options, self._cases, self._sandbox)
        self._prepared: tuple[PreparedCase, ...] | None = None
        self._assembler: Assembler | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        try:
            self._pool.restock("reference", "candidate", "compiler")
        except BaseException:
            self.close()
            raise

    @property
    def sandbox(self) -> Literal["bubblewrap", "none"]:
        """What contains generated code here, as the bundle records it."""
        return self._sandbox.kind

    @property
    def cases(self) -> tuple[Case, ...]:
        """The calls that every candidate has to stand, the smallest first."""
        return self._cases

    def prepare(self) -> None:
        """Run the reference and refuse a spec at fault (ReferenceFailed). Done once."""
        if self._prepared is None:
            self._prepared = _run_reference(
                self._problem, self._cases, self._pool, self._options.timeout_s
            )

    def verify(self, candidate: Candidate) -> Evaluation:
        """The verdict on `candidate`, within the options' `timeout_s` and the start of a worker.

        Raises RunnerError, ReferenceFailed or SandboxUnavailable for faults that are not the
        candidate's. Bad candidates of every kind, and hostile ones, come back as data.
        """
        started = time.monotonic()
        finding = screen(candidate.source, self._problem)
        times = {"screen": time.monotonic() - started}
        if finding is not None:
            return evaluation_of(candidate, finding, times)
        started = time.monotonic()
        self.prepare()
        times["reference"] = time.monotonic() - started
        try:
            compiled, swept = self._run(candidate, times)
        finally:
            self._pool.restock("candidate", "compiler")
        if self._pool.closed:
            raise RunnerError(_CLOSED)
        return conclude(candidate, compiled, swept, times)

    def close(self) -> None:
        """End every process and give back all memory. Safe to call twice."""
        self._pool.close()
        self._executor.shutdown(wait=True)
        self._prepared = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, candidate: Candidate, times: dict[str, float]) -> tuple[Compiled, Swept]:
        """Compile and sweep side by side; a candidate that does not compile is not swept on."""
        prepared = self._prepared
        if prepared is None:
            raise RunnerError(_CLOSED)
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
            stage = self._compile_stage(compiler)
            try:
                future = self._executor.submit(_compile, stage, candidate, runner, deadline)
            except RuntimeError as error:  # what a closed executor raises
                raise RunnerError(_CLOSED) from error
            started = time.monotonic()
            swept = Sweep(self._problem, runner, prepared).run(candidate, deadline)
            times["sweep"] = time.monotonic() - started
            # The sweep's core is free now: the next candidate's workers start on it.
            self._pool.restock("candidate", "compiler")
            if swept.finding is not None:
                # What is left to compile cannot change the verdict.
                stage.first_done.wait()
                compiler.kill()
            compiled, times["compile"] = future.result()
            return compiled, swept
        finally:
            compiler.kill()
            if future is not None:
                future.exception()  # the thread uses both workers: wait before they are closed
            self._pool.retire(compiler)
            if runner is not None:
                self._pool.retire(runner)

    def _compile_stage(self, compiler: WorkerProcess) -> CompileStage:
        if self._assembler is None:
            self._assembler = Assembler(compiler.ready.get("ptxas", ()), self._sandbox)
        return CompileStage(self._problem, compiler, self._assembler)


def _compile(
    stage: CompileStage, candidate: Candidate, runner: WorkerProcess, deadline: float
) -> tuple[Compiled, float]:
    started = time.monotonic()
    compiled = stage.run(candidate, deadline)
    if stops(compiled):
        runner.kill()
    return compiled, time.monotonic() - started


def _make_pool(
    problem: Problem, options: VerifyOptions, cases: tuple[Case, ...], sandbox: Sandbox
) -> WorkerPool:
    # Twice what is due: a wrong answer that is larger can still be described.
    sizes: dict[Role, int] = {
        "reference": 2 * arena_bytes(problem, cases, wide=True),
        "candidate": 2 * arena_bytes(problem, cases, wide=False),
        "compiler": _PTX_BYTES,
    }
    def start(role: Role) -> WorkerProcess:
        arena = Arena.create(sizes[role])
        try:
            return WorkerProcess(
                Start(role=role, sandbox=sandbox, arenas=(arena,), cpu_s=4 * options.timeout_s)
            )
        except BaseException:
            arena.close()
            raise

    return WorkerPool(start, spares=options.spares)


def _run_reference(
    problem: Problem, cases: tuple[Case, ...], pool: WorkerPool, timeout_s: float
) -> tuple[PreparedCase, ...]:
    worker = pool.take("reference")
    try:
        worker.wait_ready()
        return prepare_cases(problem, cases, worker, timeout_s)
    except ReferenceFailed as error:
        if pool.closed:
            raise RunnerError(_CLOSED) from error
        raise
    finally:
        pool.retire(worker)
