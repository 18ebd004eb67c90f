"""What the stand-in knows: accounts, repositories, issues, pull requests, runs and artifacts.

Owns the records and the one lock around them. Knows nothing of HTTP, JSON or webhooks. Lives in
memory, beside the bare git repositories; it does not survive the process.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bot.standin.git_store import GitStore
from bot.standin.git_types import Signature

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass(slots=True, kw_only=True)
class Runner:
    """A self-hosted runner of Actions."""

    id: int
    name: str
    labels: tuple[str, ...]
    online: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    id: int
    login: str
    kind: Literal["User", "Bot", "Organization"] = "User"
    runners: list[Runner] = field(default_factory=list)  # of an organisation

    @property
    def signature(self) -> Signature:
        """How GitHub signs a commit that this account makes through the API."""
        return Signature(name=self.login, email=f"{self.id}+{self.login}@users.noreply.github.com")


@dataclass(slots=True, kw_only=True)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(slots=True, kw_only=True)
class Labelling:
    """An event of an issue: somebody put a label on it."""

    id: int
    label: Label
    user: Account
    at: datetime


@dataclass(slots=True, kw_only=True)
class Reaction:
    id: int
    user: Account
    content: str
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class Comment:
    id: int
    user: Account
    body: str
    created_at: datetime
    updated_at: datetime
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ReviewComment:
    id: int
    review_id: int
    user: Account
    path: str
    line: int  # 1-based, on the right side, in `commit_id`
    commit_id: str
    diff_hunk: str
    position: int
    body: str
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class Review:
    id: int
    user: Account
    body: str | None
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "PENDING"]
    commit_id: str
    submitted_at: datetime
    comments: list[ReviewComment] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class PullRequest:
    id: int
    head_ref: str
    base_ref: str
    head_sha: str  # follows the branch while the pull request is open
    base_sha: str
    draft: bool = False
    reviews: list[Review] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue; also the conversation of a pull request when `pull` is there."""

    id: int
    number: int
    title: str
    body: str | None
    user: Account
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    labels: list[Label] = field(default_factory=list)
    labellings: list[Labelling] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    pull: PullRequest | None = None

    @property
    def state(self) -> Literal["open", "closed"]:
        return "closed" if self.closed_at else "open"


@dataclass(slots=True, kw_only=True)
class CheckRun:
    id: int
    name: str
    head_sha: str
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    details_url: str | None = None
    external_id: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None


@dataclass(slots=True, kw_only=True)
class Artifact:
    id: int
    name: str
    data: bytes
    created_at: datetime
    zeros_bytes: int = 0  # that follow `data`, made while they are sent
    claimed_bytes: int | None = None  # what the API says in place of the true size
    is_gone: bool = False
    is_listed_expired: bool = False

    @property
    def size_bytes(self) -> int:
        """The size that the API gives."""
        true = len(self.data) + self.zeros_bytes
        return true if self.claimed_bytes is None else self.claimed_bytes


@dataclass(slots=True, kw_only=True)
class WorkflowRun:
    id: int
    number: int
    workflow_file: str
    name: str  # of the workflow
    display_title: str  # its resolved run-name
    head_branch: str
    head_sha: str
    actor: Account
    inputs: dict[str, str]
    created_at: datetime
    updated_at: datetime
    status: Literal["queued", "in_progress", "completed"] = "queued"
    conclusion: str | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    log_file: Path | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Repository:
    id: int
    owner: Account
    name: str
    git: GitStore
    created_at: datetime
    default_branch: str = "main"
    roles: dict[str, Role] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    check_runs: list[CheckRun] = field(default_factory=list)
    runs: list[WorkflowRun] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    runners: list[Runner] = field(default_factory=list)
    disabled_workflows: set[str] = field(default_factory=set)  # file names
    archived: bool = False
    has_issues: bool = True
    # Old number → id of the repository and number where the issue is now.
    transferred: dict[int, tuple[int, int]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)  # numbers of issues
    locked: set[int] = field(default_factory=set)  # numbers of issues

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def next_number(self) -> int:
        """The number of the next issue or pull request: none is given twice."""
        return max((*self.issues, *self.transferred, *self.deleted), default=0) + 1

    def role_of(self, login: str) -> Role:
        """The role of an account here; the repository is public, so everybody may read."""
        if login == self.owner.login:
            return "admin"
        return self.roles.get(login, "read")

    def comments(self) -> Iterator[tuple[Issue, Comment]]:
        for issue in self.issues.values():
            for comment in issue.comments:
                yield issue, comment

    def pulls(self) -> Iterator[tuple[Issue, PullRequest]]:
        for issue in self.issues.values():
            if issue.pull is not None:
                yield issue, issue.pull


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(slots=True, kw_only=True, eq=False)
class State:
    """Everything, behind one re-entrant lock: hold it while records are read or written."""

    bot: Account
    clock: Callable[[], datetime] = _utc_now
    lock: threading.RLock = field(default_factory=threading.RLock)
    accounts: dict[str, Account] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    renamed: dict[str, int] = field(default_factory=dict)  # old full name → id
    # Real ids are large; small ones would hide code that mixes an id up with a number.
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(4_100_000_001, 7))

    def __post_init__(self) -> None:
        self.accounts[self.bot.login] = self.bot

    def next_id(self) -> int:
        return next(self._ids)

    def account(self, login: str) -> Account:
        """The account of that login, made at the first mention."""
        if login not in self.accounts:
            self.accounts[login] = Account(id=self.next_id(), login=login)
        return self.accounts[login]
