"""What an earlier start of the same run left behind: journal and transcript, read back.

Owns the reading and the refusals. A kill may have torn the journal's last line, and only the last
(the transcript's is mended before); any other fault is told with its line number. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from runner.contract import Budget, Environment, Evaluation, sha256_hex
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
    RunEnded,
    RunResumed,
    RunStarted,
    TuneFinished,
    parse_event,
)
from runner.keep import Rank
from runner.model import Answer
from runner.model.transcript import TranscriptEntry, read_transcript
from runner.prompts.change import stated_change
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
class Recorded:
    """The whole lines of a run's two files. `journal_bytes`: where those of the journal end."""

    events: tuple[Event, ...]
    answers: dict[int, TranscriptEntry]
    journal_bytes: int

    @property
    def started(self) -> RunStarted:
        first = self.events[0]
        if not isinstance(first, RunStarted):
            raise RunnerError("the journal does not begin with the start of a run")
        return first

    @property
    def budget(self) -> Budget:
        """The budget of the latest start."""
        resumed = [event.budget for event in self.events if isinstance(event, RunResumed)]
        return resumed[-1] if resumed else self.started.budget

    @property
    def spent_s(self) -> float:
        """The time that the run has taken, as far as the journal tells."""
        return max(event.at_s for event in self.events)

    def has_ended(self, budget: Budget) -> bool:
        """Whether the run came to its end by itself, and `budget` allows no more than it had."""
        last = self.events[-1]
        return isinstance(last, RunEnded) and not last.interrupted and budget == self.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What the loop goes on from. `unfinished` is by stream."""

    history: History
    unfinished: dict[int, Unfinished]
    unjudged_tunes: tuple[TuneFinished, ...]
    parent: Evaluation | None
    finals: dict[int, Evaluation]


def read_record(journal: Path, transcript: Path, generation: int) -> Recorded | None:
    """Both files of a run; None where it was killed before its first line was whole.

    Raises RunnerError naming the line at fault.
    """
    lines, journal_bytes = _whole_lines(journal)
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(parse_event(line))
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            raise RunnerError(f"cannot resume: {journal}:{number}: {first}") from error
    answers: dict[int, TranscriptEntry] = {}
    for entry in read_transcript(transcript) if transcript.exists() else ():
        if entry.generation == generation:
            answers.setdefault(entry.attempt, entry)
    if not events:
        return None
    return Recorded(events=tuple(events), answers=answers, journal_bytes=journal_bytes)


def check_same_run(record: Recorded, task: Task, model_name: str) -> None:
    """Refuse to go on with another problem, model or review, or a smaller budget (RunnerError)."""
    was = record.started
    request = task.request.request_id if task.request else None
    for name, before, after in (
        ("problem", was.problem, task.problem.name),
        ("problem's text", was.problem_sha256, task.problem.sha256),
        ("request", was.request_id, request),
        ("generation", was.generation, task.generation),
        ("model", was.model, model_name),
        ("kernel under review", was.parent_sha256, task.parent.sha256 if task.parent else None),
        ("review", was.feedback_sha256, feedback_digest(task)),
    ):
        if before != after:
            raise RunnerError(f"cannot resume: the {name} was {before}, and now it is {after}")
    smaller = _smaller(record.budget, task.budget)
    if smaller is not None:
        raise RunnerError(f"cannot resume with a smaller budget: {smaller}")


def check_same_gpu(record: Recorded, environment: Environment) -> None:
    """Refuse to compare times of two kinds of GPU (RunnerError)."""
    before, after = record.started.environment.gpu, environment.gpu
    if before != after:
        raise RunnerError(f"cannot resume: the GPU was {before}, and now it is {after}")


def feedback_digest(task: Task) -> str | None:
    """What tells one review from another; None where there is none."""
    return None if task.feedback is None else sha256_hex(task.feedback.model_dump_json())


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


def _whole_lines(path: Path) -> tuple[list[str], int]:
    """The lines that end, and where the last of them does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    size = data.rfind(b"\n") + 1
    try:
        return data[:size].decode("utf-8").split("\n")[:-1], size
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise RunnerError(f"cannot resume: {path}:{number}: not UTF-8 text") from error


def _smaller(before: Budget, now: Budget) -> str | None:
    """The first limit that shrank, in words. No limit is the largest."""
    for name in ("wall_clock_s", "max_attempts", "max_tokens", "streams"):
        was, new = getattr(before, name), getattr(now, name)
        if new is not None and (was is None or new < was):
            return f"{name} was {'unlimited' if was is None else was}, and now it is {new}"
    return None
