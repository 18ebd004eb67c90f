"""What executors have in common: a job, its reply, and the news of both. Torch-free.

Owns the wire between an executor and its workers. Knows nothing of what a job does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from pydantic import JsonValue, model_validator

from runner.contract import Wire

# A job whose worker or node dies is begun again; what kills three workers is not bad luck.
MAX_TRIES = 3


class Job(Wire):
    """One piece of work that depends on no other. `order` is what `work` takes, as JSON.

    It may be begun again after its worker died, so whoever does it must bear that.
    """

    name: str
    work: Literal["sweep", "reverify"]
    order: dict[str, JsonValue]


class Reply(Wire):
    """What came of a job: its result, or in one line why there is none."""

    name: str
    result: dict[str, JsonValue] | None = None
    failure: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.result is None) == (self.failure is None):
            raise ValueError("a reply has a result or a failure")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A job was handed to a place. `tries`: 1, or more where an earlier worker died."""

    name: str
    place: str
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job has its reply."""

    reply: Reply
    place: str


News = Began | Ended


class Executor(Protocol):
    """Does jobs, as many at a time as it has places."""

    @property
    def words(self) -> str:
        """Where the jobs run, for people."""
        ...

    def run(self, jobs: Iterable[Job]) -> Iterator[News]:
        """Do them all. A job is taken from `jobs` when a place is free for it, not before.

        Where the iterator is closed, or ends by an exception, what is under way is asked to stop
        and waited for. Raises RunnerError where nothing can be run.
        """
        ...

    def close(self) -> None:
        """Let go of what is held. Safe to call twice."""
        ...
