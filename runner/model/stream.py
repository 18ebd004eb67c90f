"""One streamed completion, put together.

Owns what a stream's pieces mean: text, thinking, usage, the end. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.contract import TokenUsage
from runner.model.thinking import ThinkingCounter, clean_text, split_thinking

# DeepSeek ends a stream with this when it runs out of machines half-way (its API reference, "Create
# Chat Completion", finish_reason).
_INTERRUPTED = "insufficient_system_resource"


class BrokenStream(Exception):
    """The stream ended before the endpoint said that the answer was complete."""


@dataclass(slots=True)
class Pieces:
    """What a stream has brought so far. `texts` gives it in two parts."""

    _content: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _usage: Mapping[str, Any] = field(default_factory=dict)
    _finish_reason: str | None = None
    _counter: ThinkingCounter = field(default_factory=ThinkingCounter)
    _reasoning_chars: int = 0

    def add(self, event: object) -> None:
        """One event of the stream, as JSON gave it. Endpoints differ: anything may be missing."""
        if not isinstance(event, Mapping):
            raise BrokenStream("the stream holds something that is no piece of an answer")
        self._usage = _mapping(event.get("usage")) or self._usage
        choices = event.get("choices")
        choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
        self._finish_reason = _text(choice.get("finish_reason")) or self._finish_reason
        delta = _mapping(choice.get("delta"))
        text = _text(delta.get("content"))
        # DeepSeek and NIM say reasoning_content, newer vLLM says reasoning.
        thought = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        self._content.append(text)
        self._reasoning.append(thought)
        self._counter.add(text)
        self._reasoning_chars += len(thought)

    def check_end(self) -> None:
        """Raises BrokenStream where the endpoint did not end the answer itself."""
        if self._finish_reason is None:
            raise BrokenStream("the stream ended before the answer did")
        if self._finish_reason == _INTERRUPTED:
            raise BrokenStream("the endpoint ran out of resources half-way")

    @property
    def cut(self) -> bool:
        return self._finish_reason == "length"

    @property
    def chars(self) -> tuple[int, int]:
        """Characters of thinking and of the answer so far, cheap enough for every piece."""
        thinking_chars, answer_chars = self._counter.chars
        return self._reasoning_chars + thinking_chars, answer_chars

    def texts(self) -> tuple[str, str]:
        """(thinking, answer), each fit to be encoded."""
        thinking, content = split_thinking("".join(self._content))
        reasoning = "\n\n".join(part for part in ("".join(self._reasoning), thinking) if part)
        return clean_text(reasoning), clean_text(content)

    @property
    def usage(self) -> TokenUsage:
        """What the endpoint counted for this request, as far as it did."""
        usage = self._usage
        asked = _mapping(usage.get("prompt_tokens_details"))
        written = _mapping(usage.get("completion_tokens_details"))
        cached = _count(asked.get("cached_tokens"))
        if cached is None:
            # DeepSeek's own name for it (its guide "Context Caching").
            cached = _count(usage.get("prompt_cache_hit_tokens"))
        return TokenUsage(
            prompt_tokens=_count(usage.get("prompt_tokens")),
            cached_prompt_tokens=cached,
            reasoning_tokens=_count(written.get("reasoning_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
        )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if whole else None  # type: ignore[call-overload]
