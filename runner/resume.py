"""The state of a run that was killed, told again by its journal.

Owns what was under way: questions without an answer, answers without a verdict. Reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.contract import Evaluation
from runner.errors import RunnerError
from runner.extract import NoKernel, extract_candidate
from runner.history import History
from runner.journal import (
    AnswerReceived,
    AttemptFinished,
    Event,
    FinalVerdict,
    ParentEvaluated,
    PromptSent,
    TuneFinished,
)
from runner.keep import Rank
from runner.model import Answer
from runner.prompts.change import stated_change
from runner.record import Recorded
from runner.task import Task
from runner.tried import Tried
from runner.tune_phase import candidate_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A question under way. `answer` is what came of it before the kill; None: ask again.

    `noted`: the journal has the answer's line.
    """

    sent: PromptSent
    answer: Answer | None = None
    model_s: float = 0.0
    noted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What the loop goes on from. `unfinished` is by stream."""

    history: History
    unfinished: dict[int, Unfinished]
    unjudged_tunes: tuple[TuneFinished, ...]
    parent: Evaluation | None
    finals: dict[int, Evaluation]


def restore(record: Recorded, task: Task, rank: Rank) -> Restored:
    """The state that the events tell of. Raises RunnerError where the transcript contradicts."""
    replay = _Replay(record, task, rank)
    for event in record.events:
        replay.take(event)
    return replay.restored()


class _Replay:
    """Takes the events of a journal in order, as the run did."""

    def __init__(self, record: Recorded, task: Task, rank: Rank) -> None:
        self._record = record
        self._entry = task.problem.entry
        self._history = History(task, rank)
        self._sent: dict[int, PromptSent] = {}
        self._received: dict[int, AnswerReceived] = {}
        self._tunes: dict[int, TuneFinished] = {}
        self._parent: Evaluation | None = None
        self._finals: dict[int, Evaluation] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, PromptSent):
            self._history.asked(event)
            self._sent[event.attempt] = event
        elif isinstance(event, AnswerReceived):
            self._history.answered(event)
            self._received[event.attempt] = event
        elif isinstance(event, TuneFinished):
            self._history.tune_finished(event)
            if event.attempt is not None:
                self._tunes[event.attempt] = event
        elif isinstance(event, AttemptFinished):
            self._history.finished(self._tried(event))
            self._sent.pop(event.attempt.index, None)
            self._tunes.pop(event.attempt.index, None)
        elif isinstance(event, ParentEvaluated):
            self._parent = event.evaluation
        elif isinstance(event, FinalVerdict):
            self._finals[event.attempt] = event.evaluation

    def restored(self) -> Restored:
        return Restored(
            history=self._history,
            unfinished={sent.stream: self._unfinished(sent) for sent in self._sent.values()},
            unjudged_tunes=tuple(self._tunes.values()),
            parent=self._parent,
            finals=self._finals,
        )

    def _tried(self, event: AttemptFinished) -> Tried:
        """The attempt with the source that its verdict is about."""
        attempt = event.attempt
        tuned = self._tunes.get(attempt.index)
        if tuned is not None:
            return Tried(
                attempt=attempt,
                candidate=candidate_of(tuned),
                repeats=event.repeats,
                change=tuned.note,
            )
        entry = self._record.answers.get(attempt.index)
        if entry is None:
            raise RunnerError(f"cannot resume: the transcript lacks the answer {attempt.index}")
        found = extract_candidate(
            entry.content, entry=self._entry, attempt=attempt.index, cut=entry.cut
        )
        candidate = None if isinstance(found, NoKernel) else found
        if candidate is not None and candidate.sha256 != attempt.evaluation.candidate_sha256:
            raise RunnerError(
                f"cannot resume: the verdict {attempt.index} is not about the transcript's answer"
            )
        return Tried(
            attempt=attempt,
            candidate=candidate,
            repeats=event.repeats,
            change=stated_change(entry.content),
        )

    def _unfinished(self, sent: PromptSent) -> Unfinished:
        entry = self._record.answers.get(sent.attempt)
        if entry is None:
            return Unfinished(sent=sent)
        received = self._received.get(sent.attempt)
        answer = Answer(
            model=entry.model,
            content=entry.content,
            reasoning=entry.reasoning,
            tokens=entry.usage,
            cut=entry.cut,
        )
        # Killed between the two files: the time that passed until the last sign of life is the
        # least that the model took.
        least_s = max(0.0, self._record.spent_s - sent.at_s)
        return Unfinished(
            sent=sent,
            answer=answer,
            model_s=least_s if received is None else received.model_s,
            noted=received is not None,
        )
