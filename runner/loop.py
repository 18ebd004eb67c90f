"""The closed loop: prompt → answer → candidate → evaluation, until the budget is spent.

Owns the order of things, the deadline and the best so far. Writes no file itself and knows no
GPU: the model, the judge and the listeners are handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from runner.contract import Attempt, Candidate, Evaluation, EvaluationStatus, TokenUsage
from runner.errors import ModelError, ModelExhausted, RunnerError
from runner.extract import NoKernel, extract_candidate, rejection
from runner.journal import (
    AnswerReceived,
    AttemptFinished,
    ParentEvaluated,
    PromptSent,
)
from runner.loop_io import LoopResult, Tools
from runner.model import Answer, Prompt
from runner.prompts.change import stated_change
from runner.search import Step, Tried, next_step
from runner.task import Task

T = TypeVar("T")

BUDGET_SPENT = "budget spent"
ATTEMPTS_SPENT = "attempts spent"
TOKENS_SPENT = "tokens spent"
TRANSCRIPT_EXHAUSTED = "transcript exhausted"
# Where an endpoint does not count, a limit on tokens must still end the run: R1's tokenizer makes
# between 3 and 4 characters of code and English into a token, so this counts rather too many.
CHARS_PER_TOKEN = 3


class _Stopped(Exception):
    """Ends the loop; what is under way is abandoned."""


class Loop:
    """One run. `run` once; `stop` at any time from the same event loop."""

    def __init__(self, task: Task, tools: Tools) -> None:
        self._task = task
        self._tools = tools
        self._tried: list[Tried] = []
        self._best: Tried | None = None
        self._parent: Evaluation | None = None
        self._models: dict[str, None] = {}
        self._known: dict[str, int] = {}
        self._tokens = 0
        self._stop_reason: str | None = None
        self._stopping = asyncio.Event()
        # One verdict at a time: on a GPU two would disturb each other's clocks.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify")
        if task.parent is not None:
            self._known[task.parent.sha256] = 0

    @property
    def time_left_s(self) -> float:
        spent_s = self._tools.clock() - self._tools.started_s
        return self._task.budget.wall_clock_s - self._tools.reserve_s - spent_s

    def stop(self, reason: str) -> None:
        """End the run now and deliver the best so far. The first reason stays."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()

    async def run(self) -> LoopResult:
        """Attempt after attempt until something ends the run.

        Raises RunnerError where the model or the machine failed before there was anything to
        deliver; after that a failure ends the run, and what is there is delivered.
        """
        parent = asyncio.ensure_future(self._evaluate_parent())
        try:
            reason = await self._attempt_until_stopped()
        finally:
            parent.cancel()
            self._pool.shutdown(wait=False, cancel_futures=True)
        return LoopResult(
            tried=tuple(self._tried),
            best=self._best,
            parent=self._parent,
            stopped_because=reason,
            models=tuple(self._models) or (self._tools.model.name,),
        )

    async def _attempt_until_stopped(self) -> str:
        while True:
            try:
                self._check_limits()
                await self._attempt()
            except _Stopped as stop:
                return str(stop)
            except ModelExhausted:
                return TRANSCRIPT_EXHAUSTED
            except RunnerError as error:
                if not self._tried:
                    raise
                what = "the model" if isinstance(error, ModelError) else "the runner"
                return f"{what} failed: {error}"
            except Exception as error:
                # A fault of our own must not cost a kernel that is already right.
                if self._best is None:
                    raise
                return f"the runner failed: {type(error).__name__}: {error}"

    def _check_limits(self) -> None:
        budget = self._task.budget
        if self._stop_reason is not None:
            raise _Stopped(self._stop_reason)
        if self.time_left_s <= 0:
            raise _Stopped(BUDGET_SPENT)
        if budget.max_attempts is not None and len(self._tried) >= budget.max_attempts:
            raise _Stopped(ATTEMPTS_SPENT)
        if budget.max_tokens is not None and self._tokens >= budget.max_tokens:
            raise _Stopped(TOKENS_SPENT)

    async def _attempt(self) -> None:
        tools = self._tools
        index = len(self._tried) + 1
        step = next_step(self._task, self._tried, self._best, triton_version=tools.triton_version)
        tools.emit(PromptSent(at_s=self._at_s(), attempt=index, phase=step.phase, text=step.text))
        prompt = Prompt(attempt=index, text=step.text, time_left_s=self.time_left_s)
        asked_s = tools.clock()
        answer = await self._bounded(tools.model.answer(prompt))
        model_s = tools.clock() - asked_s
        self._note_answer(prompt, answer, model_s)
        tried = await self._judge(index, step, answer, model_s=model_s)
        self._tried.append(tried)
        if tried.attempt.kept:
            self._best = tried
            # Before anything else can go wrong.
            tools.save_best(tried)
        tools.emit(AttemptFinished(at_s=self._at_s(), attempt=tried.attempt, repeats=tried.repeats))

    def _note_answer(self, prompt: Prompt, answer: Answer, model_s: float) -> None:
        self._models[answer.model] = None
        self._tokens += _tokens_of(prompt, answer)
        self._tools.emit(
            AnswerReceived(
                at_s=self._at_s(),
                attempt=prompt.attempt,
                model=answer.model,
                tokens=answer.tokens,
                model_s=model_s,
                content_chars=len(answer.content),
                reasoning_chars=len(answer.reasoning),
                cut=answer.cut,
            )
        )

    async def _judge(self, index: int, step: Step, answer: Answer, *, model_s: float) -> Tried:
        found = extract_candidate(
            answer.content, entry=self._task.problem.entry, attempt=index, cut=answer.cut
        )
        verifier_s = 0.0
        repeats: int | None = None
        candidate: Candidate | None = None
        if isinstance(found, NoKernel):
            evaluation = rejection(found, answer.content)
        else:
            candidate = found
            repeats = self._known.get(found.sha256)
            if repeats is None:
                evaluation, verifier_s = await self._bounded(self._verify(found))
                self._known[found.sha256] = index
            else:
                evaluation = self._repeated(found, repeats)
        attempt = Attempt(
            index=index,
            phase=step.phase,
            evaluation=evaluation,
            tokens=answer.tokens,
            model_s=model_s,
            verifier_s=verifier_s,
            kept=repeats is None and self._is_better(evaluation),
        )
        return Tried(
            attempt=attempt,
            candidate=candidate,
            repeats=repeats,
            change=stated_change(answer.content),
        )

    def _is_better(self, evaluation: Evaluation) -> bool:
        if evaluation.status is not EvaluationStatus.PASSED:
            return False
        if self._best is None:
            return True
        rank = self._tools.judge.rank
        return rank(evaluation) < rank(self._best.attempt.evaluation)

    def _repeated(self, candidate: Candidate, repeats: int) -> Evaluation:
        """The verdict on a source that is already known, without verifying it again."""
        if repeats == 0:
            return Evaluation(
                status=EvaluationStatus.REJECTED,
                candidate_sha256=candidate.sha256,
                device="cpu",
                stage="extract",
                summary="The answer is the kernel under review, unchanged.",
            )
        known = self._tried[repeats - 1].attempt.evaluation
        summary = f"The same source as attempt {repeats}: {known.summary}"
        return known.model_copy(update={"summary": summary, "stage_s": {}})

    async def _verify(self, candidate: Candidate) -> tuple[Evaluation, float]:
        clock = self._tools.clock

        def timed() -> tuple[Evaluation, float]:
            began_s = clock()
            return self._tools.judge.verify(candidate), clock() - began_s

        return await asyncio.get_running_loop().run_in_executor(self._pool, timed)

    async def _evaluate_parent(self) -> None:
        """Judge the kernel under review while the model thinks: the 'before' of the report."""
        if self._task.parent is None:
            return
        try:
            self._parent, _ = await self._verify(self._task.parent)
        except RunnerError:
            # The next candidate meets the same failure, and there it counts.
            return
        self._tools.emit(ParentEvaluated(at_s=self._at_s(), evaluation=self._parent))

    async def _bounded(self, work: Awaitable[T]) -> T:
        """The result of `work`, unless the budget or a stop ends the run before."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait(
                {task, stopping},
                timeout=max(self.time_left_s, 0.0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if task.done():
                return task.result()
            raise _Stopped(self._stop_reason or BUDGET_SPENT)
        finally:
            stopping.cancel()
            task.cancel()

    def _at_s(self) -> float:
        return self._tools.clock() - self._tools.started_s


def _tokens_of(prompt: Prompt, answer: Answer) -> int:
    """Prompt and completion tokens; estimated from the text where the endpoint did not count."""
    usage: TokenUsage = answer.tokens
    asked = usage.prompt_tokens
    given = usage.completion_tokens
    if asked is None:
        asked = len(prompt.text) // CHARS_PER_TOKEN
    if given is None:
        given = (len(answer.content) + len(answer.reasoning)) // CHARS_PER_TOKEN
    return asked + given
