"""What the loop asks of a model, and what it gets back.

Owns the types and the protocol. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runner.contract import TokenUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question: a single user message. `time_left_s` is what the budget still allows.

    `shorter` is the same question with less, the longest first: a model whose context is too
    small takes the first that fits.
    """

    attempt: int
    text: str
    time_left_s: float
    shorter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, the thinking apart from it.

    `model` is the name to record. `tokens` is all that was paid for the answer: continuations,
    and tries that failed as far as the endpoint counted them. `cut` says that it still ends at a
    length limit. `requests` were made for it, and `shortened` steps of the prompt given up.
    """

    model: str
    content: str
    reasoning: str
    tokens: TokenUsage
    cut: bool = False
    requests: int = 1
    shortened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCount:
    """Tokens of an answer so far. `estimated`: from its length, not counted by the endpoint."""

    reasoning_tokens: int
    answer_tokens: int
    estimated: bool


Progress = Callable[[LiveCount], None]


class Model(Protocol):
    """A source of answers. One call is one attempt; calls may overlap."""

    @property
    def name(self) -> str:
        """What to call it in reports before the first answer."""

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        """Answer `prompt`. Raises ModelError when trying again cannot help.

        `progress` is told of the tokens as they come, a few times a second at most. May be
        cancelled at any await; nothing is lost by it but the answer.
        """

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
