"""Reviewers' words → `Feedback`: the reviews' texts and their inline comments with their code.

Owns how a comment's line is found, and how several reviews become one. The words stay data: nothing
in them instructs the bot.
"""

from __future__ import annotations

from bot.github_api import GitHub, ReviewComment
from bot.plain_text import plain_text
from bot.records import Regenerate, Voice
from runner.contract import Feedback, InlineComment

MAX_COMMENTS = 50
MAX_TEXT_CHARS = 8_000
_CONTEXT_LINES = 2


def read_feedback(github: GitHub, cause: Regenerate, head_sha: str) -> Feedback | None:
    """What `cause` asks for; inline comments by their review's id, their code from `head_sha`.

    None where it says nothing at all: another try, guided by nobody.
    """
    rows = inline_comments(github, cause)
    said = [voice for voice in cause.voices if voice.guidance]
    if not said and not rows:
        return None
    files = {path: github.read_file(path, head_sha) for path in {row.path for row in rows}}
    return Feedback(
        author=", ".join(dict.fromkeys(voice.sender for voice in cause.voices)),
        text="\n\n".join(_told(voice, alone=not cause.more) for voice in said)[:MAX_TEXT_CHARS],
        comments=tuple(
            InlineComment(
                path=row.path,
                line=row.line,
                code=code_at(files[row.path], row),
                body=plain_text(row.body, MAX_TEXT_CHARS),
            )
            for row in rows
        ),
    )


def inline_comments(github: GitHub, cause: Regenerate) -> list[ReviewComment]:
    """The inline comments of all its reviews, MAX_COMMENTS at most."""
    if cause.pull_number is None:
        return []
    ids = [voice.review_id for voice in cause.voices if voice.review_id is not None]
    rows = [row for one in ids for row in github.review_comments(cause.pull_number, one)]
    return rows[:MAX_COMMENTS]


def _told(voice: Voice, *, alone: bool) -> str:
    """One person's words, by name where several are heard."""
    return voice.guidance if alone else f"{voice.sender}: {voice.guidance}"


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
