"""How to go on with an answer that ended at a length limit.

Owns the words and shapes of such requests, and the joining of two parts. Pure text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from runner.extract import code_blocks
from runner.model.presets import Resume

LESS_THINKING = (
    "Think briefly this time: an earlier answer used up its whole length on thinking and never "
    "came to the kernel. Settle on one approach at once and write the complete code."
)
GO_ON = (
    "Your answer was cut off at the length limit. Go on exactly where it stopped, in the middle "
    "of the line if need be: repeat nothing, explain nothing, open no new code block."
)
# Shorter repeats happen by chance: an indentation, a closing bracket.
_MIN_OVERLAP_CHARS = 12
_MAX_OVERLAP_CHARS = 2_000
_OPENS = re.compile(r"(`{3,}|~{3,})[ \t]*\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request: its messages, what goes beside them, and whether DeepSeek's beta serves it."""

    messages: tuple[dict[str, Any], ...]
    extra: dict[str, Any] = field(default_factory=dict)
    beta: bool = False


def first(text: str) -> Turn:
    """The question itself, as one user message: R1 wants no system prompt."""
    return Turn(messages=({"role": "user", "content": text},))


def think_less(text: str, extra: dict[str, Any]) -> tuple[str, Turn]:
    """The question again, after an answer that was all thinking; its new text and the request."""
    asked = f"{text}\n\n{LESS_THINKING}"
    return asked, replace(first(asked), extra=extra)


def go_on(how: Resume, text: str, reasoning: str, content: str) -> Turn:
    """The request for the rest of `content`, the answer to `text` so far."""
    question = {"role": "user", "content": text}
    partial: dict[str, Any] = {"role": "assistant", "content": content}
    if how == "prefix":
        # The prefix carries its thinking along, so that the model does not think anew.
        partial |= {"prefix": True, "reasoning_content": reasoning}
        return Turn(messages=(question, partial), beta=True)
    if how == "final_message":
        extra = {"continue_final_message": True, "add_generation_prompt": False}
        return Turn(messages=(question, partial), extra=extra)
    return Turn(messages=(question, partial, {"role": "user", "content": GO_ON}))


def join(content: str, rest: str) -> str:
    """The two parts of an answer as one.

    Models told not to do so still repeat the last lines, open the code block again, or start it
    anew; the last gives two blocks, of which the second is whole.
    """
    blocks = list(code_blocks(content))
    fence, _, inner = rest.lstrip().partition("\n")
    # A bare fence is the end of the block; one that names a language opens it again.
    if blocks and not blocks[-1].closed and _OPENS.match(fence):
        if _first_line(blocks[-1].text) == _first_line(inner):
            return f"{content}\n```\n\n{rest.lstrip()}"
        rest = inner
    return content + rest[_repeated_chars(content, rest) :]


def _repeated_chars(content: str, rest: str) -> int:
    """How much of `rest` is the last line or lines of `content` over again."""
    # From a line's start only: within a line, text that repeats itself is more likely meant.
    start = max(0, len(content) - _MAX_OVERLAP_CHARS)
    while (start := content.find("\n", start) + 1) > 0:
        size = len(content) - start
        if size < _MIN_OVERLAP_CHARS:
            break
        if rest.startswith(content[start:]):
            return size
    return 0


def _first_line(code: str) -> str | None:
    return next((line for line in code.split("\n") if line.strip()), None)
