"""Which lines of a comment are its author's own words: not code, not quoted, not hidden.

Pure, and one pass over the text: a comment of 65,536 characters is read while GitHub waits. Follows
CommonMark as far as a line that starts in the first column can be touched by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A fence may open behind the marks of a list, `- ~~~`; it then ends with its list item.
_FENCE = re.compile(r"^( {0,3}(?:(?:[-*+]|[0-9]{1,9}[.)]) {1,4})*)(`{3,}|~{3,})(.*)$")
_CLOSING = re.compile(r"^ *(`{3,}|~{3,})[ \t]*$")
# Tags whose content is neither read as Markdown nor, but for `pre`, shown; and HTML comments.
_HTML = re.compile(r"^ {0,3}<(?:(?P<tag>pre|script|style|textarea)(?=[\s>]|$)|!--)", re.IGNORECASE)
_HTML_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_QUOTE = re.compile(r"^ {0,3}(?:(?:[-*+]|[0-9]{1,9}[.)]) {1,4})*>")


def spoken_lines(lines: Sequence[str]) -> Iterator[int]:
    """Indices of the lines that are outside of code blocks, quotes and what is not shown."""
    index = 0
    while index < len(lines):
        line = lines[index]
        fence = _opening(line)
        if fence is not None:
            index = _after_fence(lines, index + 1, *fence)
        elif html := _HTML.match(line):
            index = _after_html(lines, index, is_tag=html["tag"] is not None)
        elif _QUOTE.match(line):
            index = _after_quote(lines, index)
        else:
            yield index
            index += 1


def _opening(line: str) -> tuple[str, int] | None:
    """The mark of the fence that `line` opens and the column of its list item, or None."""
    found = _FENCE.match(line)
    # A fence of backticks has none in its info string; else it is code within a line.
    if found is None or (found[2][0] == "`" and "`" in found[3]):
        return None
    return found[2], len(found[1]) if found[1].strip() else 0


def _after_fence(lines: Sequence[str], index: int, mark: str, column: int) -> int:
    """The line after a fenced block; one that never closes goes on to the end of its container."""
    while index < len(lines):
        line = lines[index]
        if column and line.strip() and _indent(line) < column:
            return index
        closing = _CLOSING.match(line)
        if closing and closing[1].startswith(mark) and _indent(line) <= column + 3:
            return index + 1
        index += 1
    return index


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _after_html(lines: Sequence[str], index: int, *, is_tag: bool) -> int:
    """The line after an HTML block: the one with its end, whatever else stands there."""
    while index < len(lines):
        ended = _HTML_END.search(lines[index]) if is_tag else "-->" in lines[index]
        index += 1
        if ended:
            return index
    return index


def _after_quote(lines: Sequence[str], index: int) -> int:
    """The line after a quote. A line right below it is part of it, with or without `>`."""
    index += 1
    while index < len(lines) and lines[index].strip():
        if _opening(lines[index]) is not None or _HTML.match(lines[index]):
            return index
        index += 1
    return index
