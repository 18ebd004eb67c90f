"""Which deliveries start work, and what work. Pure: an event in, a decision or None out.

Owns the triggers and the names by which the bot knows its own branches and runs. What a payload
claims only selects the work; the workflows ask GitHub again before they act.
"""

from __future__ import annotations

import re

from bot import events
from bot.commands import MAX_GUIDANCE_CHARS, Command, CommandFault, parse_command
from bot.config import DEFAULT_LABEL, STATE_PREFIX
from bot.plain_text import plain_text
from bot.records import Asked, Decision, NightEnded, Regenerate, RunMoved, Start, Usage

REQUEST_LABEL = DEFAULT_LABEL
NIGHTLY_PATH = ".github/workflows/nightly.yml"
INVALID_LABEL = f"{STATE_PREFIX}invalid"
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


def _decide_run(event: events.WorkflowRunEvent) -> RunMoved | NightEnded | None:
    if event.action not in _RUN_ACTIONS:
        return None
    run = event.workflow_run
    if run.path.partition("@")[0] == NIGHTLY_PATH:
        if event.action != "completed":
            return None
        return NightEnded(run_id=run.id, attempt=run.run_attempt)
    request_id = find_request_id(f"{run.display_title} {run.name or ''}")
    return RunMoved(request_id=request_id) if request_id else None


def find_request_id(title: str) -> str | None:
    """The request whose run has that title."""
    found = _REQUEST_ID.search(title)
    return found[0] if found else None


def _decide_label(event: events.IssuesEvent) -> Start | None:
    """Any label may be the repository's own name for a request: its configuration decides."""
    # The label of this event, never the issue's labels: a form sends one event for each label.
    if event.action != "labeled" or event.label is None:
        return None
    if event.issue.pull_request is not None or event.label.name.startswith(STATE_PREFIX):
        return None
    return Start(issue_number=event.issue.number, sender=event.sender.login, label=event.label.name)


def _decide_comment(
    event: events.IssueCommentEvent, bot_login: str
) -> Regenerate | Asked | Usage | None:
    if event.action != "created" or not _may_be_our_thread(event.issue, bot_login):
        return None
    command = parse_command(event.comment.body or "")
    return None if command is None else _carry_out(command, event)


def _carry_out(
    command: Command | CommandFault, event: events.IssueCommentEvent
) -> Regenerate | Asked | Usage:
    number, sender, comment_id = event.issue.number, event.sender.login, event.comment.id
    on_pull = event.issue.pull_request is not None
    if isinstance(command, CommandFault) or command.name == "help":
        fault = command if isinstance(command, CommandFault) else None
        return Usage(
            thread_number=number,
            on_pull=on_pull,
            comment_id=comment_id,
            sender=sender,
            problem=fault.problem if fault else None,
            meant=fault.meant if fault else None,
        )
    if command.name == "regenerate":
        return Regenerate(
            thread_number=number,
            pull_number=number if on_pull else None,
            sender=sender,
            guidance=command.guidance,
            comment_id=comment_id,
            budget_s=command.budget_s,
            start=command.start,
        )
    return Asked(
        command=command.name,
        thread_number=number,
        on_pull=on_pull,
        comment_id=comment_id,
        sender=sender,
    )


def _may_be_our_thread(issue: events.Issue, bot_login: str) -> bool:
    """Other bots have commands too. Whether an issue is a request, its labels say when asked."""
    if issue.pull_request is None:
        return True
    return issue.user is not None and issue.user.login == bot_login


def _decide_review(event: events.ReviewEvent) -> Regenerate | None:
    """A review starts a round; the workflow takes those of the same minute into it."""
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
        guidance=plain_text(event.review.body or "", MAX_GUIDANCE_CHARS),
        review_id=event.review.id,
    )
