"""One streamed completion, put together.

Owns what a stream's pieces mean: text, thinking, usage, the end. Asks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from openai.types.chat import ChatCompletionChunk
from openai.types.completion_usage import CompletionUsage

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
    _usage: CompletionUsage | None = None
    _finish_reason: str | None = None
    _counter: ThinkingCounter = field(default_factory=ThinkingCounter)
    _reasoning_chars: int = 0

    def add(self, chunk: ChatCompletionChunk) -> None:
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            text = choice.delta.content or ""
            # DeepSeek and NIM say reasoning_content, newer vLLM says reasoning; neither is in
            # the client's types.
            extra = choice.delta.model_extra or {}
            thought = extra.get("reasoning_content") or extra.get("reasoning") or ""
            thought = thought if isinstance(thought, str) else ""
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
        if usage is None:
            return TokenUsage()
        written = usage.completion_tokens_details
        asked = usage.prompt_tokens_details
        cached = asked.cached_tokens if asked else None
        if cached is None:
            # DeepSeek's own name for it (its guide "Context Caching").
            cached = (usage.model_extra or {}).get("prompt_cache_hit_tokens")
        return TokenUsage(
            prompt_tokens=_count(usage.prompt_tokens),
            cached_prompt_tokens=_count(cached),
            reasoning_tokens=_count(written.reasoning_tokens if written else None),
            completion_tokens=_count(usage.completion_tokens),
        )


def _count(value: object) -> int | None:
    """The client does not check what an endpoint sends: anything may stand here."""
    return value if isinstance(value, int) and value >= 0 else None
