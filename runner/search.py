"""What to ask next: explore, repair, optimise, or answer a review.

Owns the policy. Pure: no model, no verifier, no clock; the words are `runner.prompts.questions`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runner.prompts.questions import (
    GpuFigures,
    PromptContext,
    Question,
    first,
    optimise,
    repair,
    review,
)
from runner.task import Task
from runner.tried import Line, Tried

__all__ = ["Phase", "Step", "Tried", "next_step"]

Phase = Literal["explore", "repair", "optimise", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next question and why it is asked. `shorter`: the same one with less, longest first."""

    phase: Phase
    text: str
    shorter: tuple[str, ...] = ()


def next_step(
    task: Task, tried: Sequence[Tried], best: Tried | None, *, triton_version: str
) -> Step:
    """The next question, from everything tried so far.

    Nothing tried: the first prompt, or the review. Nothing right yet: the last failure with its
    source. Something right: the best kernel, with what was tried since and not kept.
    """
    context = PromptContext(task=task, triton_version=triton_version, figures=_figures(tried))
    line = Line(attempts=tuple(tried))
    if not tried:
        if task.parent is None:
            return _step("explore", first(context))
        return _step("review", review(context))
    if best is None or best.candidate is None:
        return _step("repair", repair(context, line))
    return _step("optimise", optimise(context, best, line))


def _step(phase: Phase, question: Question) -> Step:
    return Step(phase=phase, text=question.text, shorter=question.shorter)


def _figures(tried: Sequence[Tried]) -> GpuFigures | None:
    """What the verdicts so far say of the GPU; None until one of them was timed."""
    measured = (row.attempt.evaluation.performance for row in tried)
    roofline = next((row.roofline for row in measured if row is not None and row.roofline), None)
    return None if roofline is None else GpuFigures(roofline=roofline)
