"""Where a review comment may stand in a diff.

Owns the reading of unified hunks: which lines of the new file a patch shows, at which position, and
the hunk text down to one of them. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line of the new file as a diff shows it."""

    line: int  # 1-based, in the new file
    position: int  # 1-based, below the first hunk header
    hunk: str  # from the hunk's header down to this line


def lines_of(patch: str) -> dict[int, DiffLine]:
    """Every line of the new file that `patch` shows, by its number."""
    found: dict[int, DiffLine] = {}
    number, hunk = 0, []
    for position, text in enumerate(patch.splitlines()):
        header = _HUNK.match(text)
        if header:
            number, hunk = int(header[1]), [text]
            continue
        hunk.append(text)
        if text.startswith(("+", " ")):
            found[number] = DiffLine(line=number, position=position, hunk="\n".join(hunk))
            number += 1
    return found
