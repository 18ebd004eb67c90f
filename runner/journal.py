"""The journal: every event of a run as one typed, versioned line of JSON.

Owns the events and the appending to `journal.jsonl`. An event is on disk before the run goes on.
"""

from __future__ import annotations

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
from runner.search import Phase


class _Event(Wire):
    version: Literal[1] = 1
    at_s: FiniteFloat  # seconds since the run began


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


class PromptSent(_Event):
    event: Literal["prompt_sent"] = "prompt_sent"
    attempt: int
    phase: Phase
    text: str


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
    """The last line."""

    event: Literal["run_ended"] = "run_ended"
    outcome: Outcome
    best_attempt: int | None
    stopped_because: str


Event = (
    RunStarted
    | PromptSent
    | AnswerReceived
    | AttemptFinished
    | ParentEvaluated
    | FinalVerdict
    | RunEnded
)
Listener = Callable[[Event], None]

_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str) -> Event:
    """One line of a journal. Raises pydantic's ValidationError (a ValueError)."""
    return _EVENTS.validate_json(line)


class Journal:
    """Appends events to a file. A `Listener`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: Event) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(event.model_dump_json() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
