"""Blocking judges as the loop awaits them: a fixed number of threads in front of one verifier.

Owns the threads. Decides nothing about a candidate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from runner.contract import Candidate, Evaluation
from runner.loop_io import Clock, Judged
from runner.tune.types import Tuned

T = TypeVar("T")


class Judge(Protocol):
    """A verifier whose calls block."""

    def verify(self, candidate: Candidate) -> Evaluation:
        """Raises RunnerError only where the machine fails, never for a candidate."""

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The order of PASSED evaluations: smaller is better."""


class ThreadJudges:
    """`judge`, called from `width` threads at a time; candidates wait in the order they came.

    One thread for one verifier: on a GPU two verdicts at a time would disturb each other's clocks.
    The threads live as long as this does, because a verifier's workers end with the thread that
    started them.
    """

    def __init__(
        self,
        judge: Judge,
        clock: Clock,
        *,
        width: int = 1,
        tune: Callable[[Candidate, float], Tuned | None] | None = None,
    ) -> None:
        self._judge = judge
        self._clock = clock
        self._tune = tune
        self._pool = ThreadPoolExecutor(max_workers=width, thread_name_prefix="verify")

    async def verify(self, candidate: Candidate) -> Judged:
        def timed() -> Judged:
            began_s = self._clock()
            evaluation = self._judge.verify(candidate)
            return Judged(evaluation=evaluation, verifier_s=self._clock() - began_s)

        return await self._run(timed)

    @property
    def tune(self) -> Callable[[Candidate, float], Awaitable[Tuned | None]] | None:
        blocking = self._tune
        if blocking is None:
            return None
        return lambda candidate, time_left_s: self._run(lambda: blocking(candidate, time_left_s))

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        return self._judge.rank(evaluation)

    def close(self) -> None:
        """Start nothing more. What is under way ends when the verifier is told to."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
