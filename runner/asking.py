"""Asking a model: the next question of a stream, its answer, and what a failure means.

Owns that a question is on record before it is sent, and an answer before it is judged.
"""

from __future__ import annotations

from runner.errors import EndpointError, ModelError
from runner.history import History
from runner.journal import AnswerReceived, ModelFailed, PromptSent
from runner.loop_io import Tools
from runner.model import LiveCount, Prompt
from runner.prompts import questions
from runner.prompts.questions import PromptContext, Question
from runner.resume import Unfinished
from runner.search import Move, line_for, next_move
from runner.tried import Line

# Failures in a row after which a stream gives up. The model has tried each several times itself.
MAX_FAILURES = 3
# A wrong key, an unknown model, an empty account: every other question would meet it too.
FATAL = frozenset({"key", "model", "balance"})


class Asking:
    """The model as the streams of one run use it. `counts`: tokens of the answers under way."""

    def __init__(self, tools: Tools, history: History) -> None:
        self._tools = tools
        self._history = history
        self.counts: dict[int, int] = {}

    def next_question(self, stream: int) -> PromptSent:
        """What `stream` asks next, on record before it is sent."""
        view = self._history.view()
        move = next_move(view, stream)
        question = question_of(self._tools.context, move, line_for(view, move))
        attempt = self._history.number_attempt()
        sent = PromptSent(
            at_s=self._at_s(),
            attempt=attempt,
            stream=stream,
            phase=move.phase,
            line=attempt if move.line is None else move.line,
            base=move.base.attempt.index if move.line is None and move.base else None,
            variant=move.variant,
            text=question.text,
            shorter=question.shorter,
        )
        self._history.asked(sent)
        self._tools.emit(sent)
        return sent

    async def ask(self, sent: PromptSent, time_left_s: float) -> Unfinished:
        """The answer to a question. Raises what the model raises."""
        prompt = Prompt(
            attempt=sent.attempt,
            text=sent.text,
            time_left_s=time_left_s,
            shorter=sent.shorter,
        )

        def count(live: LiveCount) -> None:
            self.counts[sent.attempt] = live.reasoning_tokens + live.answer_tokens
            self._tools.watch(sent.attempt, live)

        asked_s = self._tools.clock()
        try:
            answer = await self._tools.model.answer(prompt, count)
        finally:
            self.counts.pop(sent.attempt, None)
        return Unfinished(sent=sent, answer=answer, model_s=self._tools.clock() - asked_s)

    def note_failure(self, sent: PromptSent, error: ModelError, failures: int) -> bool:
        """Put a question without an answer on record; True where its stream gives up.

        Raises `error` where every other question would meet it too.
        """
        kind = error.kind if isinstance(error, EndpointError) else None
        gives_up = kind != "unreachable" or failures >= MAX_FAILURES
        self._tools.emit(
            ModelFailed(
                at_s=self._at_s(),
                attempt=sent.attempt,
                stream=sent.stream,
                reason=str(error),
                gives_up=gives_up,
            )
        )
        if kind in FATAL:
            raise error
        if gives_up:
            self._history.given_up(sent.attempt)
        return gives_up

    def note_answer(self, mine: Unfinished) -> None:
        """Put an answer on record, once."""
        if mine.noted or mine.answer is None:
            return
        event = AnswerReceived(
            at_s=self._at_s(),
            attempt=mine.sent.attempt,
            model=mine.answer.model,
            tokens=mine.answer.tokens,
            model_s=mine.model_s,
            content_chars=len(mine.answer.content),
            reasoning_chars=len(mine.answer.reasoning),
            cut=mine.answer.cut,
        )
        self._history.answered(event)
        self._tools.emit(event)

    def _at_s(self) -> float:
        return self._tools.clock() - self._tools.started_s


def question_of(context: PromptContext, move: Move, line: Line) -> Question:
    """The text of a move."""
    if move.phase == "repair":
        return questions.repair(context, line)
    if move.base is not None:
        return questions.optimise(context, move.base, line)
    if move.phase == "review":
        return questions.review(context)
    return questions.first(context, move.variant)
