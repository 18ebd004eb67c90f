"""A review as numbered points: the reviewer's words and inline comments, with their code lines.

Owns the splitting of a text into points, which loses no word, and how they read in a prompt.
"""

from __future__ import annotations

import re

from runner.contract import Feedback, InlineComment
from runner.prompts import excerpt, fenced, render_prompt
from runner.prompts.fences import lines_of

MAX_REVIEW_CHARS = 12_000
MAX_CODE_CHARS = 2_000
# A text that falls into more pieces than this is no list of points: it is shown as one.
MAX_POINTS_OF_TEXT = 12
_ITEM = re.compile(r"^([-*+]|\d{1,2}[.)])\s+\S")


def guidance_section(feedback: Feedback | None) -> str:
    """A reviewer's points, or nothing where there is no review or it says nothing."""
    shown = [] if feedback is None else _shown(feedback)
    if not shown:
        return ""
    points = "\n\n".join(f"Point {number}, {text}" for number, text in enumerate(shown, start=1))
    count = "1 point" if len(shown) == 1 else f"{len(shown)} points"
    return render_prompt("guidance", count=count, points=points).rstrip()


def count_points(feedback: Feedback | None) -> int:
    """How many points `guidance_section` numbers."""
    return 0 if feedback is None else len(_shown(feedback))


def points_of_text(text: str) -> tuple[str, ...]:
    """`text` split at its list items and paragraphs; code blocks stay whole.

    A lead-in that ends in a colon stays with what it leads to. Nothing but blank lines is lost.
    """
    points: list[list[str]] = []
    fresh = True
    for line, in_code in lines_of(text):
        if not line.strip() and not in_code:
            fresh = True
            continue
        item = not in_code and _ITEM.match(line) is not None
        starts = item or (fresh and not in_code and not line.startswith((" ", "\t")))
        if not points or (starts and not _leads_in(points[-1])):
            points.append([])
        points[-1].append(line)
        fresh = False
    found = tuple("\n".join(lines) for lines in points)
    return found if len(found) <= MAX_POINTS_OF_TEXT else (text.strip(),)


def _leads_in(lines: list[str]) -> bool:
    return lines[-1].rstrip().endswith(":")


def _shown(feedback: Feedback) -> list[str]:
    text = excerpt(feedback.text, MAX_REVIEW_CHARS)
    words = [f"about the kernel as a whole:\n\n{fenced(point)}" for point in points_of_text(text)]
    return words + [_inline_comment(comment) for comment in feedback.comments]


def _inline_comment(comment: InlineComment) -> str:
    # The path is a person's text too; the kernel's file is the only one that a review is about.
    where = "on kernel.py" if comment.line is None else f"on line {comment.line} of kernel.py"
    body = fenced(excerpt(comment.body, MAX_REVIEW_CHARS))
    if not comment.code.strip():
        return f"{where}:\n\n{body}"
    code = fenced(excerpt(comment.code, MAX_CODE_CHARS), "python")
    return f"{where}, about this code:\n\n{code}\n\nthe reviewer says:\n\n{body}"
