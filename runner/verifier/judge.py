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

from runner.contract import Candidate, Correctness, Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.problem import Problem
from runner.verifier.assembler import Assembler
from runner.verifier.compile_stage import Compiled, CompileStage
from runner.verifier.finding import Finding, one_line, trim
from runner.verifier.inputs import Case, plan_cases
from runner.verifier.options import VerifyOptions
from runner.verifier.oracle import PreparedCase, arena_bytes, prepare_cases
from runner.verifier.pool import WorkerPool, retire
from runner.verifier.process import Role, WorkerProcess
from runner.verifier.resources import describe_resources
from runner.verifier.sandbox import open_sandbox
from runner.verifier.screen import screen
from runner.verifier.sweep import Sweep, Swept

_PTX_BYTES = 64 << 20  # of all kernels of one workload; the memfd is sparse


class Verifier:
    """Judges candidates for one problem. A context manager: it holds processes and memory.

    Making one starts warm workers and raises SandboxUnavailable where generated code cannot be
    contained. The reference runs once, at the first verdict or at `prepare`; inputs are drawn
    from one secret seed for the life of the verifier. Not for use from several threads at once.
    """

    def __init__(self, problem: Problem, options: VerifyOptions) -> None:
        self._problem = problem
        self._options = options
        self._sandbox = open_sandbox(allow_none=options.allow_no_sandbox)
        seed = secrets.randbits(62) if options.seed is None else options.seed
        self._cases = plan_cases(problem, seed, quick=options.quick)
        sizes: dict[Role, int] = {
            "reference": 2 * arena_bytes(problem, self._cases, wide=True),
            "candidate": 2 * arena_bytes(problem, self._cases, wide=False),
            "compiler": _PTX_BYTES,
        }
        self._pool = WorkerPool(self._sandbox, sizes, cpu_s=4 * options.timeout_s)
        self._prepared: tuple[PreparedCase, ...] | None = None
        self._assembler: Assembler | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        self._pool.restock("reference", "candidate", "compiler")

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
            worker = self._pool.take("reference")
            try:
                worker.wait_ready()
                timeout_s = self._options.timeout_s
                self._prepared = prepare_cases(self._problem, self._cases, worker, timeout_s)
            finally:
                retire(worker)

    def verify(self, candidate: Candidate) -> Evaluation:
        """The verdict on `candidate`, within the options' `timeout_s` and the start of a worker.

        Raises RunnerError, ReferenceFailed or SandboxUnavailable for faults that are not the
        candidate's. Bad candidates of every kind, and hostile ones, come back as data.
        """
        started = time.monotonic()
        finding = screen(candidate.source, self._problem)
        times = {"screen": time.monotonic() - started}
        if finding is not None:
            return _evaluation(candidate, finding, times)
        started = time.monotonic()
        self.prepare()
        times["reference"] = time.monotonic() - started
        try:
            compiled, swept = self._run(candidate, times)
        finally:
            # Only now: while a verdict is being reached, both cores are its own.
            self._pool.restock("candidate", "compiler")
        return _conclude(candidate, compiled, swept, times)

    def close(self) -> None:
        """End every process and give back all memory. Safe to call twice."""
        self._executor.shutdown(wait=True)
        self._pool.close()
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
        if self._prepared is None:
            raise RunnerError("the verifier is closed")
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
            future = self._executor.submit(self._compile, candidate, compiler, runner, deadline)
            started = time.monotonic()
            swept = Sweep(self._problem, runner, self._prepared).run(candidate, deadline)
            times["sweep"] = time.monotonic() - started
            compiled, times["compile"] = future.result()
            return compiled, swept
        finally:
            compiler.kill()
            if future is not None:
                future.exception()  # the thread uses both workers: wait before they are closed
            retire(compiler)
            if runner is not None:
                retire(runner)

    def _compile(
        self, candidate: Candidate, compiler: WorkerProcess, runner: WorkerProcess, deadline: float
    ) -> tuple[Compiled, float]:
        started = time.monotonic()
        if self._assembler is None:
            self._assembler = Assembler(compiler.ready.get("ptxas", ()), self._sandbox)
        compiled = CompileStage(self._problem, compiler, self._assembler).run(candidate, deadline)
        if _stops(compiled):
            runner.kill()
        return compiled, time.monotonic() - started


def check_reference(problem: Problem, options: VerifyOptions) -> None:
    """Run the problem's reference as a verdict would. Raises ReferenceFailed with the reason."""
    with Verifier(problem, options) as verifier:
        verifier.prepare()


def _stops(compiled: Compiled) -> bool:
    """Whether compilation alone decides. Host errors are left to the sweep, which says more."""
    finding = compiled.finding
    if finding is None or compiled.crashed:
        return False
    return finding.status is not EvaluationStatus.RUNTIME_ERROR


def _conclude(
    candidate: Candidate, compiled: Compiled, swept: Swept, times: dict[str, float]
) -> Evaluation:
    """The first failure in the order of the cascade, whichever process found it first."""
    if swept.smoke_s is not None:
        times["smoke"] = swept.smoke_s
    if _stops(compiled):
        return _evaluation(candidate, compiled.finding, times)
    finding = swept.finding or compiled.finding or _unequal_paths(compiled, swept)
    if finding is not None:
        return _evaluation(candidate, finding, times, compiled, swept)
    passed = Finding(
        status=EvaluationStatus.PASSED,
        stage="integrity",
        summary=f"correct on {len(swept.errors)} comparisons; compiles for sm_90",
        detail=describe_resources(compiled.resources, compiled.notes),
    )
    return _evaluation(candidate, passed, times, compiled, swept)


def _unequal_paths(compiled: Compiled, swept: Swept) -> Finding | None:
    """What ran in the interpreter must be what was compiled for the same workload."""
    for workload, launched in swept.kernels.items():
        missing = launched - compiled.kernels.get(workload, frozenset())
        if missing:
            names = ", ".join(sorted(missing))
            return Finding(
                status=EvaluationStatus.CHEATED,
                stage="integrity",
                summary=f"{names} ran when checked but was not compiled for {workload}",
                detail="The host code must not depend on where it runs.",
            )
    return None


def _evaluation(
    candidate: Candidate,
    finding: Finding | None,
    times: dict[str, float],
    compiled: Compiled | None = None,
    swept: Swept | None = None,
) -> Evaluation:
    if finding is None:
        raise RunnerError("a verdict without a finding")
    errors = swept.errors if swept is not None else ()
    return Evaluation(
        status=finding.status,
        candidate_sha256=candidate.sha256,
        device="cpu",
        stage=finding.stage,
        summary=one_line(finding.summary),
        detail=trim(finding.detail),
        correctness=Correctness(cases=errors) if errors else None,
        resources=compiled.resources if compiled is not None else (),
        stage_s={name: round(seconds, 4) for name, seconds in times.items()},
    )
