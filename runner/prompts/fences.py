"""Which lines of a Markdown text lie in its fenced code blocks.

Owns CommonMark's rule for fences, for texts of models and people. Renders nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$")


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Each line of `text` and whether it belongs to a code block, fences included.

    A block ends at a fence of its own character, at least as long, with nothing behind it; one
    that never ends reaches to the end of the text.
    """
    opened = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        match = _FENCE.match(line)
        if not opened:
            if match is not None:
                opened = match["fence"]
            yield line, match is not None
            continue
        yield line, True
        if match is not None and not match["info"].strip() and match["fence"].startswith(opened):
            opened = ""
