"""Markdown from text that is not ours: nothing in it may format, mention, link or close anything.

Owns the escaping. GitHub resolves no mention, reference or closing keyword inside code, so foreign
text is always shown as code: a span for short values, a fenced block for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# GitHub refuses a longer comment, issue or pull request body.
MAX_BODY_CHARS = 65_536
_RUN = re.compile(r"`+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CUT = "\n… (cut)"


def code(text: str, limit: int = 300) -> str:
    """`text` as one code span on one line, safe in a table cell; cut to `limit` characters."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    if not line:
        return "—"
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    # In a table GitHub splits cells before it reads code spans; elsewhere it would show `\|`.
    line = line.replace("|", "¦")
    mark = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{mark}{pad}{line}{pad}{mark}"


def fence(text: str, language: str = "text", limit: int = 20_000) -> str:
    """`text` as a fenced block that it cannot close; cut to `limit` characters."""
    body = _CONTROL.sub(" ", text.replace("\r\n", "\n")).strip("\n")
    if len(body) > limit:
        body = body[:limit] + _CUT
    mark = "`" * max(3, _longest_run(body) + 1)
    return f"{mark}{language}\n{body}\n{mark}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are already safe. Empty text where there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    rule = "|".join("---" for _ in header)
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *lines])


def tables(header: list[str], cells: list[list[str]], rows_each: int = 40) -> list[str]:
    """Long tables in pieces, so that `clip` can drop the last of them."""
    return [table(header, cells[i : i + rows_each]) for i in range(0, len(cells), rows_each)]


def fold(title: str, content: str) -> str:
    """A section that is closed until it is clicked. `title` is ours, `content` already safe."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def paragraphs(*parts: str) -> str:
    """The parts that are not empty, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def clip(parts: Sequence[str], limit: int = MAX_BODY_CHARS) -> str:
    """Join the parts; whole parts at the end fall away, and are counted, beyond `limit`.

    A part is never cut in its middle: half a fence or table would swallow what follows.
    """
    kept = [part for part in parts if part]
    dropped = 0
    while kept:
        note = f"(Left out, for GitHub's limit of {limit} characters: the last {dropped} parts.)"
        text = paragraphs(*kept, note if dropped else "")
        if len(text) <= limit:
            return text
        kept.pop()
        dropped += 1
    return ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
