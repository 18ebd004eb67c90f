"""The journal: every event of a run as one typed, versioned line of JSON.

Owns the events and the appending to `journal.jsonl`. An event is on disk before the run goes on.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from runner.contract import (
    Attempt,
    Budget,
    Environment,
    Evaluation,
    FiniteFloat,
    Outcome,
    Sha256,
    Slug,
    TokenUsage,
    Wire,
)
from runner.errors import RunnerError
from runner.search import Phase


class _Event(Wire):
    version: Literal[2] = 2
    at_s: FiniteFloat  # seconds that the run has taken, over all its starts


class RunStarted(_Event):
    """The first line: what runs, on what, and for how long."""

    event: Literal["run_started"] = "run_started"
    time: str  # UTC, ISO 8601
    problem: Slug
    problem_sha256: Sha256
    request_id: str | None
    generation: int
    model: str
    budget: Budget
    environment: Environment
    parent_sha256: Sha256 | None
    feedback_sha256: Sha256 | None = None


class RunResumed(_Event):
    """The run goes on after a kill or a stop, with what may differ from before."""

    event: Literal["run_resumed"] = "run_resumed"
    time: str  # UTC, ISO 8601
    budget: Budget
    environment: Environment


class PromptSent(_Event):
    """A question, and where its answer belongs.

    `line` is the number of the attempt that began the line; `base` the attempt whose kernel a new
    line takes over; `variant` numbers the beginnings from nothing. `shorter`: the same question
    with less in it, longest first.
    """

    event: Literal["prompt_sent"] = "prompt_sent"
    attempt: int
    stream: int
    phase: Phase
    line: int
    base: int | None = None
    variant: int = 0
    text: str
    shorter: tuple[str, ...] = ()


class ModelFailed(_Event):
    """A question came back without an answer. It is asked again, unless its stream gives up."""

    event: Literal["model_failed"] = "model_failed"
    attempt: int
    stream: int
    reason: str
    gives_up: bool


class AnswerReceived(_Event):
    """An answer came. Its text is the transcript's line of the same attempt."""

    event: Literal["answer_received"] = "answer_received"
    attempt: int
    model: str
    tokens: TokenUsage
    model_s: FiniteFloat
    content_chars: int
    reasoning_chars: int
    cut: bool


class AttemptFinished(_Event):
    """The verdict on an attempt. `repeats`: not verified again, the source was known."""

    event: Literal["attempt_finished"] = "attempt_finished"
    attempt: Attempt
    repeats: int | None = None


class TuneFinished(_Event):
    """What tuning made of the kernel of attempt `of`: a source that is judged as `attempt`.

    `attempt` and `source` are None where nothing came of it; `note` says what, or why.
    """

    event: Literal["tune_finished"] = "tune_finished"
    of: int
    attempt: int | None
    source: str | None
    tried: int
    dropped: int
    timed: int
    note: str
    tune_s: FiniteFloat


class TuneSkipped(_Event):
    """The best kernel declares launch parameters to tune, and this machine cannot time them."""

    event: Literal["tune_skipped"] = "tune_skipped"
    of: int
    reason: str


class Alive(_Event):
    """A sign of life while nothing else happens, so that a resumed run knows the time spent.

    `waiting`: the tokens that have come so far of each answer under way, by attempt.
    """

    event: Literal["alive"] = "alive"
    waiting: dict[int, int]


class ParentEvaluated(_Event):
    """The verdict on the kernel that the run started from, on this machine."""

    event: Literal["parent_evaluated"] = "parent_evaluated"
    evaluation: Evaluation


class FinalVerdict(_Event):
    """The last word on a kernel: a new seed and fresh processes."""

    event: Literal["final_verdict"] = "final_verdict"
    attempt: int
    evaluation: Evaluation


class RunEnded(_Event):
    """The last line. `interrupted`: by a signal, before the budget was spent."""

    event: Literal["run_ended"] = "run_ended"
    outcome: Outcome
    best_attempt: int | None
    stopped_because: str
    interrupted: bool = False


Event = (
    RunStarted
    | RunResumed
    | PromptSent
    | ModelFailed
    | AnswerReceived
    | AttemptFinished
    | TuneFinished
    | TuneSkipped
    | Alive
    | ParentEvaluated
    | FinalVerdict
    | RunEnded
)
Listener = Callable[[Event], None]

_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str) -> Event:
    """One line of a journal. Raises pydantic's ValidationError (a ValueError)."""
    return _EVENTS.validate_json(line)


def ended_s(path: Path) -> dict[int, float]:
    """When each attempt's verdict came, by its number, over all starts of the run."""
    # Not splitlines: an answer may hold other characters that end a line.
    events = map(parse_event, path.read_text(encoding="utf-8").split("\n")[:-1])
    return {e.attempt.index: e.at_s for e in events if isinstance(e, AttemptFinished)}


class Journal:
    """Appends events to a file that it alone writes. A `Listener`.

    Raises RunnerError where another run has the file open: two runs in one folder would spend
    twice and lose both. The lock ends with the process, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("ab")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._stream.close()
            raise RunnerError(
                f"another run is writing to {path.parent}: wait for its end"
            ) from error

    def __call__(self, event: Event) -> None:
        self._stream.write(event.model_dump_json().encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def cut(self, size_bytes: int) -> None:
        """Drop what stands after `size_bytes`: the line that a kill left unfinished."""
        self._stream.truncate(size_bytes)
        self._stream.seek(0, os.SEEK_END)
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Let go of the file; one without a line is taken away. Safe to call twice."""
        if self._stream.closed:
            return
        if not self._stream.tell():
            self._path.unlink(missing_ok=True)
        self._stream.close()
