"""The closed loop: prompt → answer → candidate → evaluation, until the budget is spent.

Owns the order of things, the deadline and what each failure ends. Writes no file itself and knows
no GPU: the model, the judges and the listeners are handed in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from runner.asking import Asking
from runner.errors import ModelError, ModelExhausted, RunnerError
from runner.history import History
from runner.journal import Alive, ParentEvaluated
from runner.loop_io import LoopResult, Tools
from runner.resume import Restored, Unfinished
from runner.search import at_roofline
from runner.task import Task
from runner.trial import Trial
from runner.tried import Tried
from runner.tune_phase import TunePhase

BUDGET_SPENT = "budget spent"
ATTEMPTS_SPENT = "attempts spent"
TOKENS_SPENT = "tokens spent"
NO_FURTHER_ANSWER = "no further answer"
AT_ROOFLINE = "every workload reaches 95 % of the measured roofline"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """Why a stream ended; `error` where it gave up on the model."""

    reason: str
    error: ModelError | None = None


class Loop:
    """One run. `run` once; `stop` at any time from the same event loop.

    Every stream asks, waits for its answer's verdict, and asks again. All share the judges, the
    history and the limits. `restored` is what an earlier start of the same run left behind.
    """

    def __init__(self, task: Task, tools: Tools, restored: Restored | None = None) -> None:
        self._task = task
        self._tools = tools
        self._history = restored.history if restored else History(task, tools.judges.rank)
        self._unfinished = dict(restored.unfinished) if restored else {}
        self._unjudged_tunes = restored.unjudged_tunes if restored else ()
        self._parent = restored.parent if restored else None
        self._stop_reason: str | None = None
        self._stopping = asyncio.Event()
        self._asking = Asking(tools, self._history)
        self._trial = Trial(task, tools, self._history, self._note_best)
        self._tuning = TunePhase(self._history, tools, self._trial, lambda: self.time_left_s)

    @property
    def time_left_s(self) -> float:
        spent_s = self._tools.clock() - self._tools.started_s
        return self._task.budget.wall_clock_s - self._tools.reserve_s - spent_s

    def stop(self, reason: str) -> None:
        """End the run now and deliver the best so far. The first reason stays."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()

    async def run(self) -> LoopResult:
        """All streams until something ends the run.

        Raises RunnerError where the model or the machine failed before there was anything to
        deliver; after that a failure ends the run, and what is there is delivered.
        """
        beside = [asyncio.ensure_future(self._evaluate_parent())]
        beside.append(asyncio.ensure_future(self._give_signs_of_life()))
        streams = [
            asyncio.ensure_future(self._stream(number))
            for number in range(1, (self._task.budget.streams or 1) + 1)
        ]
        try:
            self._tuning.resume(self._unjudged_tunes)
            reason = await self._until_ended(streams)
        finally:
            await self._cancel([*streams, *beside])
        return LoopResult(
            tried=self._history.tried,
            best=self._history.best,
            parent=self._parent,
            stopped_because=reason,
            models=tuple(self._history.models) or (self._tools.model.name,),
        )

    async def _until_ended(self, streams: list[asyncio.Task[_Ended]]) -> str:
        """Why the run ends."""
        try:
            return await self._first_end(streams)
        except RunnerError as error:
            if not self._history.tried:
                raise
            what = "the model" if isinstance(error, ModelError) else "the runner"
            return f"{what} failed: {error}"
        except Exception as error:
            # A fault of our own must not cost a kernel that is already right.
            if self._history.best is None:
                raise
            return f"the runner failed: {type(error).__name__}: {error}"

    async def _first_end(self, streams: list[asyncio.Task[_Ended]]) -> str:
        """Wait for all streams and the tuner, the deadline, a stop or the first failure."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        under_way: set[asyncio.Task[Any]] = set(streams)
        try:
            while under_way:
                done, _ = await asyncio.wait(
                    {*under_way, stopping},
                    timeout=max(self.time_left_s, 0.0),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if self._stop_reason is not None:
                    return self._stop_reason
                if not done:
                    return BUDGET_SPENT
                for task in done:
                    task.result()
                under_way -= done
                if self._tuning.task is not None:
                    under_way.add(self._tuning.task)
        finally:
            stopping.cancel()
        ends = [task.result() for task in streams]
        # A stream that gave up says less about the run than one that came to a limit.
        end = next((end for end in ends if end.error is None), ends[-1])
        if end.error is not None:
            raise end.error
        return end.reason

    async def _cancel(self, tasks: list[asyncio.Task[Any]]) -> None:
        if self._tuning.task is not None:
            tasks.append(self._tuning.task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._trial.close()

    async def _stream(self, number: int) -> _Ended:
        """Question after question; returns why there is no further one."""
        failures = 0
        while True:
            mine = self._unfinished.pop(number, None)
            reason = self._limit_reached(new=mine is None)
            if reason is not None:
                return _Ended(reason=reason)
            mine = mine or Unfinished(sent=self._asking.next_question(number))
            if mine.answer is None:
                try:
                    mine = await self._asking.ask(mine.sent, self.time_left_s)
                except ModelExhausted:
                    self._history.given_up(mine.sent.attempt)
                    return _Ended(reason=NO_FURTHER_ANSWER)
                except ModelError as error:
                    failures += 1
                    if self._asking.note_failure(mine.sent, error, failures):
                        return _Ended(reason="the model failed", error=error)
                    self._unfinished[number] = mine
                    await asyncio.sleep(self._tools.pause_s * 2 ** (failures - 1))
                    continue
            failures = 0
            if not await self._judge(mine):
                return _Ended(reason=BUDGET_SPENT)

    async def _judge(self, mine: Unfinished) -> bool:
        """Bring an answer to its verdict; False where the time is over before."""
        if mine.answer is None:
            raise ValueError("there is no answer to judge")
        self._asking.note_answer(mine)
        if self.time_left_s <= 0:
            return False
        await self._trial.judge_answer(mine.sent, mine.answer, mine.model_s)
        return True

    def _note_best(self, best: Tried) -> None:
        """An early win ends nothing, unless there is nothing left to win."""
        if at_roofline(best.attempt.evaluation):
            self.stop(AT_ROOFLINE)
        self._tuning.consider()

    def _limit_reached(self, *, new: bool) -> str | None:
        """Why nothing more is asked or judged; `new`: it would be a question of its own."""
        budget = self._task.budget
        if self._stop_reason is not None:
            return self._stop_reason
        if self.time_left_s <= 0:
            return BUDGET_SPENT
        if not new:
            return None
        if budget.max_attempts is not None and self._history.asked_attempts >= budget.max_attempts:
            return ATTEMPTS_SPENT
        # Answers under way are not known yet: the last ones may go over the limit.
        if budget.max_tokens is not None and self._history.tokens >= budget.max_tokens:
            return TOKENS_SPENT
        return None

    async def _evaluate_parent(self) -> None:
        """Judge the kernel under review while the model thinks: the 'before' of the report."""
        if self._task.parent is None or self._parent is not None:
            return
        try:
            judged = await self._trial.verify(self._task.parent)
        except RunnerError:
            # The next candidate meets the same failure, and there it counts.
            return
        self._parent = judged.evaluation
        self._tools.emit(ParentEvaluated(at_s=self._at_s(), evaluation=judged.evaluation))

    async def _give_signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(self._tools.alive_s)
            waiting = dict(self._asking.counts)
            self._tools.emit(Alive(at_s=self._at_s(), waiting=waiting))

    def _at_s(self) -> float:
        return self._tools.clock() - self._tools.started_s
