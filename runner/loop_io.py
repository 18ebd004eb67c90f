"""What goes into a loop, and what comes out of it.

Owns the types between the loop and whoever runs it. Does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from runner.contract import Candidate, Evaluation
from runner.journal import Listener
from runner.model import LiveCount, Model
from runner.prompts.questions import PromptContext
from runner.tried import Tried
from runner.tune.types import Tuned

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict, and the seconds that the judge worked on it, without the wait for a judge."""

    evaluation: Evaluation
    verifier_s: float


class Judges(Protocol):
    """What the loop needs of the verifiers of a machine, however many they are."""

    async def verify(self, candidate: Candidate) -> Judged:
        """The verdict of whichever judge is free first; calls may overlap, and wait in order.

        Raises RunnerError only where the machine fails, never for a candidate.
        """

    @property
    def tune(self) -> Callable[[Candidate, float], Awaitable[Tuned | None]] | None:
        """Tunes a candidate within so many seconds; None where nothing can be timed."""

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The order of PASSED evaluations: smaller is better."""


def ignore_count(attempt: int, count: LiveCount) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a loop works with. `save_best` returns once the best is safe on disk."""

    model: Model
    judges: Judges
    emit: Listener
    save_best: Callable[[Tried], None]
    clock: Clock
    started_s: float  # on `clock`: preparation, and what was spent before a resume, count as spent
    context: PromptContext
    reserve_s: float = 0.0  # kept back from the budget, for what follows the loop
    watch: Callable[[int, LiveCount], None] = ignore_count  # the tokens of an attempt, as they come
    pause_s: float = 5.0  # before a question that got no answer is asked again; doubles
    alive_s: float = 10.0  # between two signs of life in the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What a run came to. `best.candidate` is never None."""

    tried: tuple[Tried, ...]
    best: Tried | None
    parent: Evaluation | None
    stopped_because: str
    models: tuple[str, ...]
