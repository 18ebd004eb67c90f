"""What goes into a loop, and what comes out of it.

Owns the types between the loop and whoever runs it. Does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runner.contract import Candidate, Evaluation
from runner.journal import Listener
from runner.model import Model
from runner.search import Tried

Clock = Callable[[], float]


class Judge(Protocol):
    """What the loop needs of a verifier: a verdict, and an order of those that passed."""

    def verify(self, candidate: Candidate) -> Evaluation:
        """Blocking. Raises RunnerError only where the machine fails, never for a candidate."""

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The order of PASSED evaluations: smaller is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a loop works with. `save_best` returns once the best is safe on disk."""

    model: Model
    judge: Judge
    emit: Listener
    save_best: Callable[[Tried], None]
    clock: Clock
    started_s: float  # on `clock`: preparation counts as time spent
    triton_version: str
    reserve_s: float = 0.0  # kept back from the budget, for what follows the loop


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What a run came to. `best.candidate` is never None."""

    tried: tuple[Tried, ...]
    best: Tried | None
    parent: Evaluation | None
    stopped_because: str
    models: tuple[str, ...]
