"""What a question gives up where a model's context is small, and in which order.

Owns the ladder from everything to the least. Renders nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.feedback import MAX_DETAIL_CHARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt, and the same question rendered with less, longest first."""

    text: str
    shorter: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of what can be left out is shown; `source_chars` None is all of each kernel."""

    attempts: int
    kernels: bool = True  # the exemplar, and kernels of other lines
    findings_chars: int = MAX_DETAIL_CHARS
    last_source: bool = True  # the source of a try that was not kept
    source_chars: int | None = None


# The oldest attempts go first, then the exemplar, then long findings, then the middle of a kernel
# that is very long itself. Task, reference, contract, review and last verdict always stay.
LADDER = (
    Detail(attempts=12),
    Detail(attempts=6),
    Detail(attempts=3),
    Detail(attempts=0),
    Detail(attempts=0, kernels=False),
    Detail(attempts=0, kernels=False, findings_chars=1_500, last_source=False),
    Detail(attempts=0, kernels=False, findings_chars=1_500, last_source=False, source_chars=16_000),
)


def question_of(render: Callable[[Detail], str]) -> Question:
    """The whole question, and each step down the ladder that makes it shorter."""
    text, *rest = (render(detail) for detail in LADDER)
    shorter: list[str] = []
    for row in rest:
        if len(row) < len(shorter[-1] if shorter else text):
            shorter.append(row)
    return Question(text=text, shorter=tuple(shorter))
