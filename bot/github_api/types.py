"""The `GitHub` Protocol and the values that pass through it.

Owns what the bot may ask of GitHub, and nothing else exists for it. Every method raises NotFound,
GitHubUnavailable or GitHubError (`bot.errors`); reads say None where 'there is none' is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.permissions import Role

Conclusion = Literal["success", "neutral", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a reaction is put on: an issue (or pull request) by number, or a comment by id."""

    kind: Literal["issue", "comment"]
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    number: int
    body: str
    is_open: bool
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workflow run. `conclusion` is None until it is completed.

    `path` of its workflow's file, the `event` that started it, and the `branch` that it is of.
    """

    id: int
    url: str
    title: str
    status: str
    conclusion: str | None
    attempt: int
    repository_id: int | None = None
    path: str = ""
    event: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    sha: str
    tree_sha: str
    message: str
    author_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull request. `head_repository` is None where the fork is gone."""

    number: int
    url: str
    is_open: bool
    is_merged: bool
    author: str
    head_ref: str
    head_sha: str
    head_repository: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullCommit:
    """A commit of a pull request. `author` is None where GitHub knows no account for it."""

    sha: str
    author: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewComment:
    path: str
    line: int | None
    diff_hunk: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPull:
    title: str
    body: str
    head: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRun:
    id: int
    name: str
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckRun:
    """A check. `external_id` is the request's id, by which it is found again.

    `conclusion` None is a check that is under way.
    """

    name: str
    head_sha: str
    external_id: str
    conclusion: Conclusion | None
    title: str
    summary: str
    details_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """Somebody put a label on an issue, at Unix time `at_s`. `event_id` is GitHub's."""

    event_id: int
    label: str
    actor: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDelivery:
    """One try of one webhook delivery. `guid` is the same for every try; `status` is 0 for none."""

    id: int
    guid: str
    at_s: float
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A repository that the App is installed in."""

    full_name: str
    installation_id: int


class GitHub(Protocol):
    """One repository, seen as the App's installation in it."""

    def default_branch(self) -> str: ...
    def web_url(self) -> str:
        """The address of the repository's page, without a slash at its end."""

    def role(self, login: str) -> Role: ...

    def issue(self, number: int) -> Issue: ...
    def open_issues(self, label: str) -> list[int]:
        """The numbers of the open issues (no pull requests) with that label."""
        ...

    def issues_of(self, login: str) -> list[Issue]:
        """The issues (no pull requests) that `login` opened, open and closed, newest first."""
        ...

    def create_issue(self, title: str, body: str, label: str) -> int:
        """Open an issue: its number."""
        ...

    def edit_issue(self, number: int, title: str, body: str, *, is_open: bool) -> None:
        """Change an issue's words, and whether it is open, in one step."""
        ...

    def labellings(self, number: int) -> list[Labelling]:
        """Who put which label on an issue, oldest first."""
        ...

    def comments(self, number: int) -> list[Comment]: ...
    def create_comment(self, number: int, body: str) -> Comment: ...
    def edit_comment(self, comment_id: int, body: str) -> None: ...
    def react(self, subject: Subject, content: str) -> None: ...
    def ensure_label(self, name: str, color: str, description: str) -> None: ...
    def add_label(self, number: int, name: str) -> None: ...
    def remove_label(self, number: int, name: str) -> None: ...

    def find_run(self, workflow: str, text: str) -> Run | None:
        """The newest dispatched run of `workflow` with `text` in its title."""
        ...

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> int | None:
        """Start `workflow` on branch `ref`: the run's id, or None where GitHub does not say."""
        ...

    def run(self, run_id: int) -> Run: ...
    def unfinished_runs(self, workflow: str) -> list[Run]:
        """The dispatched runs of `workflow` that are queued or in progress."""
        ...

    def cancel_run(self, run_id: int) -> None:
        """Ask for the run's end; nothing where it has ended."""
        ...

    def artifact_names(self, run_id: int) -> list[str]:
        """The names of the run's artifacts that are still kept."""
        ...

    def download_artifact(self, run_id: int, name: str, max_bytes: int) -> bytes | None:
        """The artifact's zip; None where the run has none of that name that is still kept.

        Raises GitHubError where it is larger than `max_bytes`.
        """
        ...

    def branch_head(self, branch: str) -> str | None: ...
    def commit(self, sha: str) -> Commit: ...
    def read_file(self, path: str, ref: str) -> str | None:
        """A text file at commit `ref`; None where there is none, or it is not UTF-8."""
        ...

    def read_bytes(self, path: str, ref: str | None = None) -> bytes | None:
        """A file at commit `ref` (None: the default branch's head); None where there is none.

        Raises GitHubError (413) where it is larger than GitHub hands out here, 1 MB, and
        (422) where `path` is no file.
        """
        ...

    def files_named(self, name: str, sha: str) -> list[str]:
        """The paths of the files called `name` at commit `sha`, as far as GitHub lists them."""
        ...

    def create_blob(self, content: bytes) -> str: ...
    def create_tree(self, base_tree_sha: str | None, blobs: Mapping[str, str]) -> str:
        """`base_tree_sha` with `blobs` by path; None: with nothing else in it."""
        ...

    def create_commit(self, message: str, tree_sha: str, parent_sha: str | None) -> str:
        """A commit; without a parent the first one of a history of its own."""
        ...

    def create_branch(self, branch: str, sha: str) -> None: ...
    def move_branch(self, branch: str, sha: str) -> None:
        """Fast-forward only: raises GitHubError (422) where someone else moved it."""
        ...

    def pull(self, number: int) -> Pull: ...
    def open_pulls(self) -> list[Pull]: ...
    def pulls_of_branch(self, branch: str) -> list[Pull]:
        """Every pull request from `branch` of this repository, newest first, in any state."""
        ...

    def create_pull(self, pull: NewPull) -> Pull: ...
    def edit_pull(self, number: int, title: str, body: str) -> None: ...
    def pull_commits(self, number: int) -> list[PullCommit]: ...
    def review_comments(self, number: int, review_id: int) -> list[ReviewComment]: ...

    def check_runs(self, sha: str) -> list[CheckRun]: ...
    def create_check_run(self, check: NewCheckRun) -> None: ...
    def edit_check_run(self, check_id: int, check: NewCheckRun) -> None: ...


class GitHubApp(Protocol):
    """The App itself."""

    def login(self) -> str:
        """The login under which the App acts, `<slug>[bot]`. Asks GitHub: proves the key."""
        ...

    def repository(self, full_name: str, installation_id: int | None) -> GitHub:
        """A client for one repository; the installation is looked up where it is not given."""
        ...

    def repositories(self) -> list[Installed]:
        """Every repository that the App is installed in, but for suspended installations."""
        ...

    def hook_deliveries(self, since_s: float) -> list[HookDelivery]:
        """The tries of webhook deliveries since Unix time `since_s`, newest first."""
        ...

    def redeliver(self, delivery_id: int) -> None:
        """Have GitHub send that delivery again, under its own guid."""
        ...
