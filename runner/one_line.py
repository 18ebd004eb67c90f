"""One printable line out of any text.

Owns what may reach a terminal or a log: text of a candidate must not move the cursor there, nor
start a line of its own (a line that begins with `::` commands the Actions runner).
"""

from __future__ import annotations


def one_line(text: str, limit_chars: int | None = None) -> str:
    """`text` with control characters and runs of white space as single blanks, cut to fit."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(visible.split())
    if limit_chars is None or len(line) <= limit_chars:
        return line
    return line[: limit_chars - 1] + "…"
