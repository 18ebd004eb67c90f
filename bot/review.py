"""A reviewer's words → `Feedback`: the review's text and its inline comments with their code.

Owns how a comment's line is found. The words stay data: nothing in them instructs the bot.
"""

from __future__ import annotations

from bot.github_api import GitHub, ReviewComment
from bot.records import Regenerate
from runner.contract import Feedback, InlineComment

MAX_COMMENTS = 50
MAX_TEXT_CHARS = 8_000
_CONTEXT_LINES = 2


def read_feedback(github: GitHub, cause: Regenerate, head_sha: str) -> Feedback:
    """What `cause` asks for; inline comments by the review's id, their code from `head_sha`."""
    rows: list[ReviewComment] = []
    if cause.review_id is not None and cause.pull_number is not None:
        rows = github.review_comments(cause.pull_number, cause.review_id)[:MAX_COMMENTS]
    files = {path: github.read_file(path, head_sha) for path in {row.path for row in rows}}
    return Feedback(
        author=cause.sender,
        text=cause.guidance[:MAX_TEXT_CHARS],
        comments=tuple(
            InlineComment(
                path=row.path,
                line=row.line,
                code=code_at(files[row.path], row),
                body=row.body[:MAX_TEXT_CHARS],
            )
            for row in rows
        ),
    )


def code_at(text: str | None, comment: ReviewComment) -> str:
    """The commented line with a little around it; from the diff where the file does not help."""
    lines = (text or "").split("\n")
    if text is None or comment.line is None or not 1 <= comment.line <= len(lines):
        return _last_lines(comment.diff_hunk)
    first = max(0, comment.line - 1 - _CONTEXT_LINES)
    return "\n".join(lines[first : comment.line + _CONTEXT_LINES])


def _last_lines(diff_hunk: str) -> str:
    """The end of a diff hunk, where the comment stands, without the diff's own marks."""
    rows = [row for row in diff_hunk.split("\n") if row and not row.startswith(("@@", "-", "\\"))]
    return "\n".join(row[1:] for row in rows[-(2 * _CONTEXT_LINES + 1) :])
