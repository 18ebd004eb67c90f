"""The verifier of this machine as a run uses it: checked before a token is spent.

Owns how a run's verifier is made and what the loop sees of it. Judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.contract import Candidate, Environment, Evaluation
from runner.task import Task
from runner.tune.types import Tuned

if TYPE_CHECKING:
    from runner.verifier import Verifier

# Kept for the final verdict: on a GPU two fresh processes, and compute-sanitizer twice.
_RESERVE_S = {"cpu": 20.0, "cuda": 60.0}
_RESERVE_SHARE = 0.1


def prepare_verifier(task: Task, *, allow_no_sandbox: bool) -> tuple[Verifier, Environment]:
    """A verifier whose reference has been checked: before a token is spent on a faulty spec."""
    # Imported late: torch takes seconds, and a mistyped command should not.
    from runner.environment import choose_device, collect_environment
    from runner.verifier import Verifier, VerifyOptions

    device = choose_device(None)
    options = VerifyOptions(device=device, allow_no_sandbox=allow_no_sandbox)
    verifier = Verifier(task.problem, options)
    try:
        verifier.prepare()
        return verifier, collect_environment(device=device, sandbox=verifier.sandbox)
    except BaseException:
        verifier.close()
        raise


def reserve_s(verifier: Verifier, wall_clock_s: float) -> float:
    """Seconds of a budget that are kept for the final verdict."""
    return min(_RESERVE_S[verifier.device], _RESERVE_SHARE * wall_clock_s)


class VerifierJudge:
    """One verifier as the loop sees it. Its calls block."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def verify(self, candidate: Candidate) -> Evaluation:
        return self._verifier.verify(candidate)

    def finalize(self, candidate: Candidate) -> Evaluation:
        """The verdict that is reported; one that nobody waits for any more makes way."""
        self._verifier.abandon()
        return self._verifier.finalize(candidate)

    @property
    def tune(self) -> Callable[[Candidate, float], Tuned | None] | None:
        """Tunes a candidate; None without a GPU, where nothing is timed."""
        return None if self._verifier.device == "cpu" else self._verifier.tune

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        from runner.verifier import rank

        return rank(evaluation)
