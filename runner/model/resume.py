"""How to go on with an answer that ended at a length limit.

Owns the words and shapes of such requests, and the joining of two parts. Pure text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request: its messages, what goes beside them, and whether DeepSeek's beta serves it."""

    messages: tuple[dict[str, Any], ...]
    extra: dict[str, Any] = field(default_factory=dict)
    beta: bool = False


def first(text: str) -> Turn:
    """The question itself, as one user message: R1 wants no system prompt."""
    return Turn(messages=({"role": "user", "content": text},))


def think_less(text: str, extra: dict[str, Any]) -> Turn:
    """The question again, after an answer that was all thinking."""
    message = {"role": "user", "content": f"{text}\n\n{LESS_THINKING}"}
    return Turn(messages=(message,), extra=extra)


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
    if blocks and not blocks[-1].closed and rest.lstrip().startswith(("```", "~~~")):
        inner = rest.lstrip().partition("\n")[2]
        if _starts_anew(blocks[-1].text, inner):
            return f"{content}\n```\n\n{rest.lstrip()}"
        rest = inner
    most = min(len(content), len(rest), _MAX_OVERLAP_CHARS)
    for size in range(most, _MIN_OVERLAP_CHARS - 1, -1):
        if content.endswith(rest[:size]):
            return content + rest[size:]
    return content + rest


def _starts_anew(begun: str, again: str) -> bool:
    begun_lines = [line for line in begun.split("\n") if line.strip()][:2]
    again_lines = [line for line in again.split("\n") if line.strip()][:2]
    return bool(begun_lines) and begun_lines == again_lines
