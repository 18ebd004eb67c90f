"""The verifiers of this machine as a run uses them: checked before a token is spent.

Owns how they are made, one for each GPU, and what the loop sees of them. Judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.contract import Candidate, Environment, Evaluation
from runner.judges.gpus import visible_gpus
from runner.judges.pool import JudgePool
from runner.prompts.context import GpuFigures
from runner.task import Task
from runner.tune.types import Tuned

if TYPE_CHECKING:
    from runner.verifier import Verifier

    AnyVerifier = Verifier | JudgePool

# Kept for the final verdict: on a GPU two fresh processes, and compute-sanitizer twice.
_RESERVE_S = {"cpu": 20.0, "cuda": 60.0}
_RESERVE_SHARE = 0.1


def prepare_verifier(task: Task, *, allow_no_sandbox: bool) -> tuple[AnyVerifier, Environment]:
    """A verifier whose reference has been checked: before a token is spent on a faulty spec."""
    # Imported late: torch takes seconds, and a mistyped command should not.
    from runner.environment import choose_device, collect_environment
    from runner.verifier import Verifier, VerifyOptions

    device = choose_device(None)
    options = VerifyOptions(device=device, allow_no_sandbox=allow_no_sandbox)
    gpus = visible_gpus() if device == "cuda" else ()
    # Each judge of several has a process of its own: CUDA sees one GPU in it.
    verifier = (
        JudgePool(task.problem, options, gpus) if len(gpus) > 1 else Verifier(task.problem, options)
    )
    try:
        verifier.prepare()
        return verifier, collect_environment(device=device, sandbox=verifier.sandbox)
    except BaseException:
        verifier.close()
        raise


def reserve_s(verifier: AnyVerifier, wall_clock_s: float) -> float:
    """Seconds of a budget that are kept for the final verdict."""
    return min(_RESERVE_S[verifier.device], _RESERVE_SHARE * wall_clock_s)


class VerifierJudge:
    """One verifier, or the judges of several GPUs, as the loop sees them. Calls block."""

    def __init__(self, verifier: AnyVerifier) -> None:
        self._verifier = verifier

    def verify(self, candidate: Candidate) -> Evaluation:
        return self._verifier.verify(candidate)

    def finalize(self, candidate: Candidate) -> Evaluation:
        """The verdict that is reported; one that nobody waits for any more makes way."""
        self._verifier.abandon()
        return self._verifier.finalize(candidate)

    @property
    def figures(self) -> GpuFigures | None:
        """What the GPU was measured to do, for the prompts; None without one."""
        roofline = self._verifier.roofline
        return None if roofline is None else GpuFigures(roofline=roofline)

    @property
    def width(self) -> int:
        """How many verdicts are reached at a time."""
        return len(self._verifier) if isinstance(self._verifier, JudgePool) else 1

    @property
    def tune(self) -> Callable[[Candidate, float], Tuned | None] | None:
        """Tunes a candidate; None without a GPU, where nothing is timed."""
        return None if self._verifier.device == "cpu" else self._verifier.tune

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        from runner.verifier import rank

        return rank(evaluation)
