"""One finished attempt, and the line of work that it belongs to.

Owns the two types that the search, the prompts and the report share. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.contract import Attempt, Candidate, EvaluationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One finished attempt and what was extracted from it (None: no kernel in the answer).

    `repeats` is the attempt whose source this one repeats; 0 is the kernel under review.
    `change` is what the model says it changed, on one line; None where it did not say. `tuning` is
    what came of tuning this kernel, or why its declaration was refused; None where nobody tried.
    """

    attempt: Attempt
    candidate: Candidate | None
    repeats: int | None = None
    change: str | None = None
    tuning: str | None = None

    @property
    def passed(self) -> bool:
        return self.attempt.evaluation.status is EvaluationStatus.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The attempts of one line of work, oldest first, and the best attempts of other lines."""

    attempts: tuple[Tried, ...]
    others: tuple[Tried, ...] = ()
