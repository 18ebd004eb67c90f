"""The judge: takes a candidate through the cascade and says PASSED, or why not.

Trusted and long-lived. Owns the screen and the choice of procedure: on a CPU compilation ahead of
time and Triton's interpreter (`cpu_court`), on a GPU the real thing (`gpu.court`). Never imports
candidate or reference code; a bad candidate is an Evaluation.
"""

from __future__ import annotations

import secrets
import threading
import time
from types import TracebackType
from typing import Literal, Protocol, Self

from runner.contract import Candidate, Evaluation, Roofline
from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.problem import Problem
from runner.tune.declaration import Declaration, DeclarationFault, read_declaration
from runner.tune.types import Tuned, untuned
from runner.verifier.cpu_court import CpuCourt
from runner.verifier.inputs import Case
from runner.verifier.options import VerifyOptions
from runner.verifier.sandbox import Sandbox, open_sandbox
from runner.verifier.screen import screen
from runner.verifier.verdict import evaluation_of

CLOSED = "the verifier was closed before the verdict"
# Who shares a GPU takes much of it now and then, for seconds.
MEMORY_TRIES, MEMORY_PAUSE_S = 4, 10.0


class Court(Protocol):
    """The procedure on one kind of device."""

    cases: tuple[Case, ...]

    @property
    def closed(self) -> bool: ...
    @property
    def roofline(self) -> Roofline | None: ...
    def prepare(self) -> None: ...
    def judge(self, candidate: Candidate, times: dict[str, float]) -> Evaluation: ...
    def finalize(self, candidate: Candidate, times: dict[str, float]) -> Evaluation: ...
    def tune(
        self, candidate: Candidate, declaration: Declaration, deadline: float
    ) -> Tuned | None: ...
    def abandon(self) -> None: ...
    def close(self) -> None: ...


class Verifier:
    """Judges candidates for one problem. A context manager: it holds processes and memory.

    Making one starts warm workers and raises SandboxUnavailable where generated code cannot be
    contained, RunnerError where a GPU is asked for and none is there. The reference runs at the
    first verdict or at `prepare`; inputs are drawn from one secret seed for the life of the
    verifier. One verdict at a time, others wait; `close` may come from another thread, and then
    ends a verdict under way with RunnerError. Use it from threads that live on: a worker ends with
    the thread that started it.
    """

    def __init__(self, problem: Problem, options: VerifyOptions) -> None:
        self._problem = problem
        self._device = options.device
        self._sandbox = open_sandbox(allow_none=options.allow_no_sandbox)
        seed = secrets.randbits(62) if options.seed is None else options.seed
        self._busy = threading.Lock()
        self._abandoned = threading.Event()
        self._court = _open_court(problem, options, self._sandbox, seed)

    @property
    def sandbox(self) -> Literal["bubblewrap", "none"]:
        """What contains generated code here, as the bundle records it."""
        return self._sandbox.kind

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where candidates run."""
        return self._device

    @property
    def roofline(self) -> Roofline | None:
        """What the GPU was measured to do; None without one, and before `prepare`."""
        return self._court.roofline

    @property
    def cases(self) -> tuple[Case, ...]:
        """The calls that every candidate has to stand, the smallest first."""
        return self._court.cases

    def prepare(self) -> None:
        """Run the reference and refuse a spec at fault (ReferenceFailed). Done once."""
        self._court.prepare()

    def verify(self, candidate: Candidate) -> Evaluation:
        """The verdict on `candidate`, within the options' `timeout_s` and the start of a worker.

        Where others hold the GPU's memory it waits for half a minute, which the evaluation's
        `stage_s` tells, and raises DeviceMemoryExhausted then. Raises RunnerError, ReferenceFailed
        or SandboxUnavailable for other faults that are not the candidate's. Bad candidates of
        every kind, and hostile ones, come back as data.
        """
        return self._judge(candidate, final=False)

    def finalize(self, candidate: Candidate) -> Evaluation:
        """The verdict that is reported: everything again, with a new seed, in fresh processes.

        On a GPU this is the measurement that counts, and compute-sanitizer runs where it is
        installed. Raises as `verify` does.
        """
        return self._judge(candidate, final=True)

    def tune(self, candidate: Candidate, time_left_s: float) -> Tuned | None:
        """The candidate with its best launch parameters frozen, within `time_left_s`.

        None without a GPU, and for a candidate that the screen rejects or that declares no
        TUNABLES. A fault of the declaration is the `note` of an unchanged candidate. Waiting for a
        verdict under way counts. What comes back is a ranking's result: verify it like any other.
        Raises as `verify` does.
        """
        deadline = time.monotonic() + time_left_s
        if self._device == "cpu" or screen(candidate.source, self._problem) is not None:
            return None
        try:
            declaration = read_declaration(candidate.source, self._problem.entry)
        except DeclarationFault as fault:
            return untuned(candidate, str(fault))
        if declaration is None:
            return None
        with self._busy:
            self._court.prepare()
            return self._tune_in_court(candidate, declaration, deadline)

    def _tune_in_court(
        self, candidate: Candidate, declaration: Declaration, deadline: float
    ) -> Tuned | None:
        self._abandoned.clear()
        try:
            return self._court.tune(candidate, declaration, deadline)
        except RunnerError as error:
            if self._court.closed:
                raise RunnerError(CLOSED) from error
            if self._abandoned.is_set():
                return untuned(candidate, "the tuning was abandoned")
            if isinstance(error, DeviceMemoryExhausted):
                return untuned(candidate, str(error))  # a kernel is as good without
            raise

    def _judge(self, candidate: Candidate, *, final: bool) -> Evaluation:
        started = time.monotonic()
        finding = screen(candidate.source, self._problem)
        times = {"screen": time.monotonic() - started}
        if finding is not None:
            return evaluation_of(candidate, finding, times, device=self._device)
        with self._busy:
            return self._judge_in_court(candidate, times, final=final)

    def _judge_in_court(
        self, candidate: Candidate, times: dict[str, float], *, final: bool
    ) -> Evaluation:
        started = time.monotonic()
        self._court.prepare()
        times["reference"] = time.monotonic() - started
        self._abandoned.clear()
        evaluation = self._patiently(candidate, times, final=final)
        if self._court.closed:
            raise RunnerError(CLOSED)
        return evaluation

    def _patiently(
        self, candidate: Candidate, times: dict[str, float], *, final: bool
    ) -> Evaluation:
        """Asks the court again where memory was short, until somebody ends what is under way."""
        # No retry of a library: it would keep the failure, and with it tensors on its frames.
        verdict = self._court.finalize if final else self._court.judge
        for _ in range(MEMORY_TRIES - 1):
            try:
                return verdict(candidate, times)
            except DeviceMemoryExhausted as error:
                if self._abandoned.wait(MEMORY_PAUSE_S):
                    if self._court.closed:
                        raise RunnerError(CLOSED) from error
                    raise
            times["waiting"] = times.get("waiting", 0.0) + MEMORY_PAUSE_S
        return verdict(candidate, times)

    def abandon(self) -> None:
        """End what is under way, in whatever thread: a verdict comes back as a worker that died,
        a tune as an unchanged candidate."""
        self._abandoned.set()
        self._court.abandon()

    def close(self) -> None:
        """End every process and give back all memory. Safe to call twice."""
        try:
            self._court.close()
        finally:
            self._abandoned.set()  # whoever waits for memory finds it closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open_court(problem: Problem, options: VerifyOptions, sandbox: Sandbox, seed: int) -> Court:
    if options.device == "cpu":
        return CpuCourt(problem, options, sandbox, seed)
    from runner.verifier.gpu.court import GpuCourt

    return GpuCourt(problem, options, sandbox, seed)
