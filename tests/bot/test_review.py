"""Inline comments: the code that they point at."""

from __future__ import annotations

import pytest

from bot.github_api import ReviewComment
from bot.review import code_at

TEXT = "\n".join(f"line {n}" for n in range(1, 11))
HUNK = "@@ -1,3 +1,4 @@\n line 1\n-old\n+line 2\n+line 3\n\\ No newline at end of file"


def comment(line: int | None) -> ReviewComment:
    return ReviewComment(path="kernel.py", line=line, diff_hunk=HUNK, body="why?")


@pytest.mark.parametrize(
    ("line", "first", "last"), [(1, 1, 3), (5, 3, 7), (10, 8, 10)], ids=["top", "middle", "end"]
)
def test_the_line_comes_with_its_neighbours(line: int, first: int, last: int) -> None:
    expected = "\n".join(f"line {n}" for n in range(first, last + 1))
    assert code_at(TEXT, comment(line)) == expected


@pytest.mark.parametrize(("text", "line"), [(TEXT, None), (TEXT, 0), (TEXT, 11), (None, 5)])
def test_the_diff_helps_where_the_file_does_not(text: str | None, line: int | None) -> None:
    assert code_at(text, comment(line)) == "line 1\nline 2\nline 3"
