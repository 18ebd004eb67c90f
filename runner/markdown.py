"""Markdown out of text that cannot be trusted.

Owns the escaping. Whatever a candidate, a model or an issue says stays text when rendered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.one_line import one_line

# What CommonMark or GitHub gives a meaning to within a line, links written out included.
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$@]|:(?=//)|(?<=www)\.)")


def plain(text: str) -> str:
    """`text` on one line, all of it literal."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def code(text: str) -> str:
    """`text` on one line as a code span that it cannot end; also within a table."""
    line = one_line(text)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * (longest + 1)
    # A pipe ends a table's cell even inside a code span, unless it is escaped.
    body = line.replace("|", "\\|")
    pad = " " if body.startswith("`") or body.endswith("`") else ""
    return f"{ticks}{pad}{body}{pad}{ticks}" if body else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def error_text(value: float | None) -> str:
    """An absolute error with two digits; None is one that has no number."""
    return "not finite" if value is None else f"{value:.2g}"
