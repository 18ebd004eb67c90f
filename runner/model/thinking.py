"""Keep a reasoning model's thinking apart from its answer.

Owns the `<think>` convention of R1-like models. Pure text.
"""

from __future__ import annotations

_OPEN = "<think>"
_CLOSE = "</think>"


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a completion.

    Chat templates that put `<think>` into the prompt leave only the closing tag in the text: what
    stands before it is thinking too. An unclosed `<think>` was cut: all of it is thinking.
    """
    stripped = text.lstrip()
    if stripped.startswith(_OPEN):
        thinking, found, answer = stripped.removeprefix(_OPEN).partition(_CLOSE)
        return (thinking.strip(), answer.lstrip()) if found else (thinking.strip(), "")
    thinking, found, answer = text.partition(_CLOSE)
    if found and _OPEN not in thinking:
        return thinking.strip(), answer.lstrip()
    return "", text


def clean_text(text: str) -> str:
    """`text` as it can be encoded: half surrogate pairs, which JSON can carry, are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
