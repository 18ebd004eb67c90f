"""Comments and reactions on issues and pull requests.

Owns 'found again, not made again': a comment of ours is known by its hidden marker on any page of
the thread, whoever else may have copied that marker.
"""

from __future__ import annotations

from bot.errors import NotFound
from bot.github_api import GitHub, Subject
from bot.records import Job, Regenerate


def acknowledge(github: GitHub, job: Job) -> None:
    """👀 on the comment that asked, or on the issue or pull request."""
    cause = job.cause
    if isinstance(cause, Regenerate) and cause.comment_id is not None:
        subject = Subject(kind="comment", number=cause.comment_id)
    else:
        # GitHub takes no reactions on a review.
        subject = Subject(kind="issue", number=job.thread_number)
    github.react(subject, "eyes")


def react_to_comment(github: GitHub, comment_id: int, content: str) -> None:
    """Put a reaction on a comment; GitHub keeps one of a kind for each account."""
    github.react(Subject(kind="comment", number=comment_id), content)


def find_comment(github: GitHub, number: int, marker: str, login: str) -> int | None:
    """The id of our comment that starts with `marker`, or None."""
    for comment in github.comments(number):
        if comment.author == login and comment.body.startswith(marker):
            return comment.id
    return None


def ensure_comment(github: GitHub, number: int, body: str, login: str) -> int:
    """The id of our comment whose first line is the marker of `body`; made with `body` if new."""
    marker = body.split("\n", 1)[0]
    found = find_comment(github, number, marker, login)
    return found if found is not None else github.create_comment(number, body).id


def keep_comment(
    github: GitHub, number: int, body: str, login: str, known: int | None = None
) -> int:
    """Make our comment with the marker of `body` say `body`; made where there is none. Its id.

    `known` is that id from an earlier call: a list may lack what was made a moment ago. Raises
    NotFound where the comment is listed and cannot be edited.
    """
    if known is not None:
        try:
            github.edit_comment(known, body)
        except NotFound:
            # Somebody deleted it, and others still want to know how it ends: see below.
            pass
        else:
            return known
    found = find_comment(github, number, body.split("\n", 1)[0], login)
    if found is None:
        return github.create_comment(number, body).id
    # Not there, and yet in the list: it went with an issue that was transferred, and a new one at
    # every edit would be no better. That is the caller's to say.
    github.edit_comment(found, body)
    return found
