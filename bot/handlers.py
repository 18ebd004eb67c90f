"""Which deliveries start work, and what work. Pure: an event in, a decision or None out.

Owns the triggers and the names by which the bot knows its own branches and runs. What a payload
claims only selects the work; the workflows ask GitHub again before they act.
"""

from __future__ import annotations

import re

from bot import events
from bot.commands import parse_command
from bot.records import Decision, Regenerate, RunMoved, Start, Usage

REQUEST_LABEL = "kernel-request"
INVALID_LABEL = "kernel-request:invalid"
BRANCH = re.compile(r"^kernel/([1-9][0-9]*)-([a-z][a-z0-9-]*)$")
_REQUEST_ID = re.compile(r"\bkw-[0-9a-f]{16}\b")
_RUN_ACTIONS = frozenset({"in_progress", "completed"})


def branch_name(issue_number: int, slug: str) -> str:
    """The one branch of a request. A slug has no `-`, so the name can be read back."""
    return f"kernel/{issue_number}-{slug.replace('_', '-')}"


def read_branch_name(ref: str) -> tuple[int, str] | None:
    """Issue number and slug of one of our branches, or None."""
    match = BRANCH.match(ref)
    return (int(match[1]), match[2].replace("-", "_")) if match else None


def decide(event: events.Event, bot_login: str) -> Decision | None:
    """What to do about an event; None for nothing."""
    if isinstance(event, events.WorkflowRunEvent):
        return _decide_run(event)
    # Our own comments and labels come back as events, and bots must not answer one another.
    if event.sender.type == "Bot" or event.sender.login == bot_login:
        return None
    if isinstance(event, events.IssuesEvent):
        return _decide_label(event)
    if isinstance(event, events.IssueCommentEvent):
        return _decide_comment(event, bot_login)
    if isinstance(event, events.ReviewEvent):
        return _decide_review(event)
    return None


def _decide_run(event: events.WorkflowRunEvent) -> RunMoved | None:
    if event.action not in _RUN_ACTIONS:
        return None
    run = event.workflow_run
    found = _REQUEST_ID.search(f"{run.display_title} {run.name or ''}")
    return RunMoved(request_id=found[0]) if found else None


def _decide_label(event: events.IssuesEvent) -> Start | None:
    # The label of this event, never the issue's labels: a form sends one event for each label.
    if event.action != "labeled" or event.label is None or event.label.name != REQUEST_LABEL:
        return None
    if event.issue.pull_request is not None:
        return None
    return Start(issue_number=event.issue.number, sender=event.sender.login)


def _decide_comment(event: events.IssueCommentEvent, bot_login: str) -> Regenerate | Usage | None:
    if event.action != "created":
        return None
    command = parse_command(event.comment.body or "")
    if command is None or not _is_our_thread(event.issue, bot_login):
        return None
    number, sender = event.issue.number, event.sender.login
    if command.name != "regenerate" or not command.text:
        asked = command.name in ("help", "regenerate")
        return Usage(
            thread_number=number,
            comment_id=event.comment.id,
            sender=sender,
            unknown=None if asked else command.name,
        )
    return Regenerate(
        thread_number=number,
        pull_number=number if event.issue.pull_request is not None else None,
        sender=sender,
        guidance=command.text,
        comment_id=event.comment.id,
    )


def _is_our_thread(issue: events.Issue, bot_login: str) -> bool:
    """Other bots have commands too: elsewhere an unknown one is none of our business."""
    if issue.pull_request is not None:
        return issue.user is not None and issue.user.login == bot_login
    return any(label.name in (REQUEST_LABEL, INVALID_LABEL) for label in issue.labels)


def _decide_review(event: events.ReviewEvent) -> Regenerate | None:
    if event.action != "submitted" or event.review.state.lower() != "changes_requested":
        return None
    head = event.pull_request.head
    # A fork may have a branch of the same name.
    if head.repo is None or head.repo.full_name != event.repository.full_name:
        return None
    if read_branch_name(head.ref) is None:
        return None
    number = event.pull_request.number
    return Regenerate(
        thread_number=number,
        pull_number=number,
        sender=event.sender.login,
        guidance=event.review.body or "",
        review_id=event.review.id,
    )
