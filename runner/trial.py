"""From an answer to a finished attempt: extraction, verdict, keep or revert, best on disk.

Owns that no source is verified twice and that the best is saved before anything is announced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runner.contract import Attempt, Candidate, Evaluation, EvaluationStatus, TokenUsage
from runner.extract import NoKernel, extract_candidate, rejection
from runner.fingerprint import fingerprint
from runner.history import History
from runner.journal import AttemptFinished, PromptSent, TuneFinished
from runner.loop_io import Judged, Tools
from runner.model import Answer
from runner.prompts.change import stated_change
from runner.task import Task
from runner.tried import Tried
from runner.tune_phase import candidate_of

NO_TOKENS = TokenUsage(prompt_tokens=0, reasoning_tokens=0, completion_tokens=0)


class Trial:
    """Brings attempts to their ends, several at a time.

    `idle` is set while no judge is asked for a verdict; `on_best` hears of every new best.
    """

    def __init__(
        self, task: Task, tools: Tools, history: History, on_best: Callable[[Tried], None]
    ) -> None:
        self._on_best = on_best
        self._entry = task.problem.entry
        self._tools = tools
        self._history = history
        self._asked = 0
        self._under_way: dict[str, tuple[int, asyncio.Task[Judged]]] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    async def judge_answer(self, sent: PromptSent, answer: Answer, model_s: float) -> None:
        """Bring an answer to its end. Raises RunnerError where the machine fails."""
        found = extract_candidate(
            answer.content, entry=self._entry, attempt=sent.attempt, cut=answer.cut
        )
        repeats: int | None = None
        candidate: Candidate | None = None
        if isinstance(found, NoKernel):
            judged = Judged(evaluation=rejection(found, answer.content), verifier_s=0.0)
        else:
            candidate = found
            judged, repeats = await self._verdict(found)
        attempt = Attempt(
            index=sent.attempt,
            phase=sent.phase,
            evaluation=judged.evaluation,
            tokens=answer.tokens,
            model_s=model_s,
            verifier_s=judged.verifier_s,
            kept=repeats is None and self._history.is_better(judged.evaluation),
        )
        change = stated_change(answer.content)
        self._finish(Tried(attempt=attempt, candidate=candidate, repeats=repeats, change=change))

    async def judge_tuned(self, event: TuneFinished) -> None:
        """Bring what came of tuning to its end, as an attempt that no model was asked for."""
        if event.attempt is None:
            return
        candidate = candidate_of(event)
        judged, repeats = await self._verdict(candidate)
        attempt = Attempt(
            index=event.attempt,
            phase="tune",
            evaluation=judged.evaluation,
            tokens=NO_TOKENS,
            model_s=0.0,
            verifier_s=event.tune_s + judged.verifier_s,
            kept=repeats is None and self._history.is_better(judged.evaluation),
        )
        self._finish(
            Tried(attempt=attempt, candidate=candidate, repeats=repeats, change=event.note)
        )

    async def close(self) -> None:
        """End the waiting for verdicts that nobody needs any more."""
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finish(self, tried: Tried) -> None:
        """Best on disk, then history, then the announcement: a kill in between loses nothing."""
        if tried.attempt.kept:
            self._tools.save_best(tried)
        self._history.finished(tried)
        at_s = self._tools.clock() - self._tools.started_s
        self._tools.emit(AttemptFinished(at_s=at_s, attempt=tried.attempt, repeats=tried.repeats))
        if tried.attempt.kept:
            self._on_best(tried)

    async def _verdict(self, candidate: Candidate) -> tuple[Judged, int | None]:
        """The verdict on a source, and the attempt that it repeats, if it does."""
        key = fingerprint(candidate.source)
        known = self._history.known.get(key)
        if known is not None:
            first = self._history.evaluation_of(known)
            return _repeated(candidate, known, first), known
        if key in self._under_way:
            known, task = self._under_way[key]
            # Shielded: the one who repeats may be stopped, and the first still wants its verdict.
            judged = await asyncio.shield(task)
            return _repeated(candidate, known, judged.evaluation), known
        task = asyncio.ensure_future(self.verify(candidate))
        self._under_way[key] = (candidate.attempt, task)
        try:
            return await task, None
        finally:
            del self._under_way[key]

    async def verify(self, candidate: Candidate) -> Judged:
        """A verdict that is nobody's attempt, or whose repetition was looked for before."""
        self._asked += 1
        self.idle.clear()
        try:
            return await self._tools.judges.verify(candidate)
        finally:
            self._asked -= 1
            if not self._asked:
                self.idle.set()


def _repeated(candidate: Candidate, repeats: int, first: Evaluation | None) -> Judged:
    """The verdict on a source that is already known, without verifying it again."""
    if first is None:
        evaluation = Evaluation(
            status=EvaluationStatus.REJECTED,
            candidate_sha256=candidate.sha256,
            device="cpu",
            stage="extract",
            summary="The answer is the kernel under review, unchanged.",
        )
    else:
        summary = f"The same source as attempt {repeats}: {first.summary}"
        evaluation = first.model_copy(
            update={
                "candidate_sha256": candidate.sha256,
                "summary": summary,
                "stage_s": {},
            }
        )
    return Judged(evaluation=evaluation, verifier_s=0.0)
