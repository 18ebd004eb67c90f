"""The webhook payloads, parsed as far as the bot needs them.

Unknown fields are ignored on purpose: GitHub adds some every month. What is here can be stale, so
it selects the work; what the work does is decided on what GitHub says when asked.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Payload(BaseModel):
    """Frozen, and open to fields that we do not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class User(Payload):
    login: str
    type: str = "User"


class Repository(Payload):
    full_name: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]


class Installation(Payload):
    id: int


class Label(Payload):
    name: str


class Issue(Payload):
    number: int
    user: User | None = None
    labels: tuple[Label, ...] = ()
    pull_request: dict[str, object] | None = None


class Comment(Payload):
    id: int
    body: str | None = None


class Head(Payload):
    ref: str
    repo: Repository | None = None  # None: the fork is gone


class PullRequest(Payload):
    number: int
    user: User | None = None
    head: Head


class Review(Payload):
    id: int
    state: str
    body: str | None = None


class WorkflowRun(Payload):
    id: int
    name: str | None = None
    display_title: str = ""
    path: str = ""
    run_attempt: int = 1


class Event(Payload):
    """What every delivery that we act on carries."""

    action: str
    repository: Repository
    sender: User
    installation: Installation | None = None


class IssuesEvent(Event):
    issue: Issue
    label: Label | None = None


class IssueCommentEvent(Event):
    issue: Issue
    comment: Comment


class ReviewEvent(Event):
    pull_request: PullRequest
    review: Review


class WorkflowRunEvent(Event):
    workflow_run: WorkflowRun


EVENT_TYPES: dict[str, type[Event]] = {
    "issues": IssuesEvent,
    "issue_comment": IssueCommentEvent,
    "pull_request_review": ReviewEvent,
    "workflow_run": WorkflowRunEvent,
}
