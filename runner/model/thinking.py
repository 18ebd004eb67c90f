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


class ThinkingCounter:
    """How much of a text that still grows is thinking, in characters; for a live count."""

    def __init__(self) -> None:
        self._start = ""
        self._tail = ""
        self._chars = 0
        self._thinking_chars = 0
        self._closed = False

    def add(self, text: str) -> None:
        if len(self._start) < 2 * len(_OPEN):
            self._start = (self._start + text).lstrip()[: 2 * len(_OPEN)]
        self._chars += len(text)
        if self._closed:
            return
        self._tail = (self._tail + text)[-max(len(text) + len(_CLOSE), 2 * len(_CLOSE)) :]
        if _CLOSE in self._tail:
            self._closed = True
            self._thinking_chars = self._chars - len(self._tail.partition(_CLOSE)[2])

    @property
    def chars(self) -> tuple[int, int]:
        """(thinking, answer). Without an opening tag it is all answer until a tag closes it."""
        if self._closed:
            return self._thinking_chars, self._chars - self._thinking_chars
        return (self._chars, 0) if self._start.startswith(_OPEN) else (0, self._chars)


def clean_text(text: str) -> str:
    """`text` as it can be encoded: half surrogate pairs, which JSON can carry, are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
