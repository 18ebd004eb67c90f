"""What the loop asks of a model, and what it gets back.

Owns the two types and the protocol. Does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runner.contract import TokenUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question: a single user message. `time_left_s` is what the budget still allows."""

    attempt: int
    text: str
    time_left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, the thinking apart from it.

    `model` is the name to record; `cut` says that the endpoint stopped at its length limit.
    """

    model: str
    content: str
    reasoning: str
    tokens: TokenUsage
    cut: bool = False


class Model(Protocol):
    """A source of answers. One call is one attempt; calls may overlap."""

    @property
    def name(self) -> str:
        """What to call it in reports before the first answer."""

    async def answer(self, prompt: Prompt) -> Answer:
        """Answer `prompt`. Raises ModelError when trying again cannot help.

        May be cancelled at any await; nothing is lost by it but the answer.
        """

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
