"""Counting tokens: what was paid, and what a text may come to.

Owns the sums and the estimate. Knows no prices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from runner.contract import TokenUsage
from runner.model.interface import LiveCount, Progress

# R1's tokenizer makes between 3 and 4 characters of code and English into a token: a limit that
# must hold is better estimated with too many.
CHARS_PER_TOKEN = 3
# A person cannot follow more, and 8 streams of small pieces should not keep a terminal busy.
TELL_EVERY_S = 0.25


def estimate_tokens(chars: int) -> int:
    """Tokens of a text of that many characters, rather too many than too few."""
    return -(-chars // CHARS_PER_TOKEN)


@dataclass(slots=True)
class Spent:
    """What one answer has cost so far, over all its requests."""

    requests: int = 0
    _complete: list[TokenUsage] = field(default_factory=list)
    _failed: list[TokenUsage] = field(default_factory=list)

    def add(self, usage: TokenUsage, *, complete: bool) -> None:
        """Note a request. One that failed counts as far as the endpoint said what it took."""
        self.requests += 1
        (self._complete if complete else self._failed).append(usage)

    def total(self) -> TokenUsage:
        """The sums; `None` where a complete answer was not counted."""
        return TokenUsage(
            prompt_tokens=self._sum(lambda usage: usage.prompt_tokens),
            cached_prompt_tokens=self._sum(lambda usage: usage.cached_prompt_tokens),
            reasoning_tokens=self._sum(lambda usage: usage.reasoning_tokens),
            completion_tokens=self._sum(lambda usage: usage.completion_tokens),
        )

    def _sum(self, pick: Callable[[TokenUsage], int | None]) -> int | None:
        counts = [pick(usage) for usage in self._complete]
        known = [count for count in counts if count is not None]
        # A sum over some of the answers would pass for the sum over all.
        if not counts or len(known) < len(counts):
            return None
        return sum(known) + sum(pick(usage) or 0 for usage in self._failed)


class Meter:
    """Tells a listener how far an answer is, over all its requests."""

    def __init__(
        self, progress: Progress | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._told_s = float("-inf")
        self._done = LiveCount(reasoning_tokens=0, answer_tokens=0, estimated=False)

    def update(self, reasoning_chars: int, answer_chars: int) -> None:
        """Where the request under way stands; estimated, and told now and then."""
        now_s = self._clock()
        if self._progress is None or now_s - self._told_s < TELL_EVERY_S:
            return
        self._told_s = now_s
        self._progress(self._plus(_estimate(reasoning_chars, answer_chars)))

    def finish(self, usage: TokenUsage, reasoning_chars: int, answer_chars: int) -> None:
        """A request has ended well: its count stays, exact where the endpoint gave it."""
        total, thought = usage.completion_tokens, usage.reasoning_tokens
        count = _estimate(reasoning_chars, answer_chars)
        if total is not None and (thought is not None or reasoning_chars == 0):
            thought = min(thought or 0, total)
            count = LiveCount(
                reasoning_tokens=thought, answer_tokens=total - thought, estimated=False
            )
        self._done = self._plus(count)
        if self._progress is not None:
            self._progress(self._done)

    def _plus(self, count: LiveCount) -> LiveCount:
        return LiveCount(
            reasoning_tokens=self._done.reasoning_tokens + count.reasoning_tokens,
            answer_tokens=self._done.answer_tokens + count.answer_tokens,
            estimated=self._done.estimated or count.estimated,
        )


def _estimate(reasoning_chars: int, answer_chars: int) -> LiveCount:
    return LiveCount(
        reasoning_tokens=estimate_tokens(reasoning_chars),
        answer_tokens=estimate_tokens(answer_chars),
        estimated=True,
    )
