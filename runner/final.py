"""The last word on a run's best kernel: judged again with a new seed, in fresh processes.

Owns which kernel is delivered. Only what this verdict says is reported; a kernel that passed in
the loop and fails here is not delivered, and the next best gets its turn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from runner.contract import Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.journal import FinalVerdict, Listener
from runner.loop_io import LoopResult
from runner.tried import Tried

# A kernel that passed a verdict of all cases hardly ever fails the next: more turns are not worth
# the time that is left.
MAX_TURNS = 3
Finalize = Callable[[Tried], Awaitable[Evaluation]]


class Ranks(Protocol):
    """The order of PASSED evaluations: smaller is better."""

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]: ...


async def settle(
    result: LoopResult,
    ranks: Ranks,
    finalize: Finalize,
    emit: Listener,
    clock: Callable[[], float],
) -> LoopResult:
    """`result` with the kernel that stands the final verdict as its best, or with none.

    `clock`: seconds since the run began. Raises what `finalize` raises.
    """
    if result.best is None:
        return result
    others = [row for row in result.tried if row.passed and row is not result.best]
    fresh = [row for row in others if row.candidate is not None and row.repeats is None]
    fresh.sort(key=lambda row: ranks.rank(row.attempt.evaluation))
    for row in [result.best, *fresh][:MAX_TURNS]:
        evaluation = await finalize(row)
        emit(FinalVerdict(at_s=clock(), attempt=row.attempt.index, evaluation=evaluation))
        if evaluation.status is EvaluationStatus.PASSED:
            attempt = row.attempt.model_copy(update={"evaluation": evaluation})
            return replace(result, best=replace(row, attempt=attempt))
    return replace(result, best=None)


async def settle_or_keep(
    result: LoopResult,
    ranks: Ranks,
    finalize: Finalize,
    emit: Listener,
    clock: Callable[[], float],
) -> LoopResult:
    """As `settle`, but a machine that fails now does not cost a kernel that is right."""
    try:
        return await settle(result, ranks, finalize, emit, clock)
    except RunnerError as error:
        reason = f"{result.stopped_because}; no final verdict: {error}"
        return replace(result, stopped_because=reason)
