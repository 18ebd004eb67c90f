"""An in-memory GitHub: one repository, one App. Implements `bot.github_api.GitHub` and `GitHubApp`.

It keeps what the bot did, so that tests look at the state, not at calls. `before_call` is asked
before every method and may raise, to play an outage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.errors import GitHubError, NotFound
from bot.github_api import (
    CheckRun,
    Comment,
    Commit,
    GitHub,
    HookDelivery,
    Installed,
    Issue,
    Labelling,
    NewCheckRun,
    NewPull,
    Pull,
    PullCommit,
    ReviewComment,
    Run,
    Subject,
)
from bot.permissions import Role

LOGIN = "kernelwright[bot]"
REPOSITORY = "octo/kernels"


def sha1(*parts: object) -> str:
    return hashlib.sha1(json.dumps(parts, default=str).encode()).hexdigest()


@dataclass
class FakeRun:
    """What a dispatched run does: its states in the order in which they are looked at."""

    run: Run
    inputs: Mapping[str, str]
    states: list[tuple[str, str | None]]
    artifact: bytes | None
    named: dict[str, bytes] = field(default_factory=dict)  # further artifacts


@dataclass
class FakeGitHub:
    """`on_dispatch(inputs)` gives the states and the artifact of the run that is started.

    `workflows`: the files that can be dispatched.
    """

    on_dispatch: Callable[[Mapping[str, str]], tuple[list[tuple[str, str | None]], bytes | None]]
    workflows: set[str] = field(default_factory=lambda: {"generate.yml"})
    before_call: Callable[[str], None] = lambda name: None
    issues: dict[int, Issue] = field(default_factory=dict)
    threads: dict[int, list[Comment]] = field(default_factory=dict)
    reactions: set[tuple[str, int, str]] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)
    runs: dict[int, FakeRun] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, tuple[Commit, str | None]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, tuple[Pull, str, str]] = field(default_factory=dict)
    reviews: dict[int, list[ReviewComment]] = field(default_factory=dict)
    checks: list[tuple[int, NewCheckRun]] = field(default_factory=list)
    labelled: dict[int, list[Labelling]] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    hook_tries: list[HookDelivery] = field(default_factory=list)
    redelivered: list[int] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    titles: dict[int, str] = field(default_factory=dict)  # of the issues that we opened
    next_id: int = 100

    def __post_init__(self) -> None:
        self.trees["t0"] = {}
        self.commit_as("mona", "main", "Begin", {"README.md": b"kernels\n"})

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if callable(value) and name in GITHUB_METHODS:
            super().__getattribute__("before_call")(name)
        return value

    # ---- what people do ----
    def open_issue(self, number: int, body: str, labels: tuple[str, ...] = ()) -> None:
        self.issues[number] = Issue(number=number, body=body, is_open=True, labels=labels)
        self.threads.setdefault(number, [])

    def end_night(self, artifacts: dict[str, bytes], **changes: Any) -> int:
        """A run of the nightly workflow that has ended, with these artifacts."""
        run_id = self._id()
        fields = {
            "status": "completed", "conclusion": "success", "path": ".github/workflows/nightly.yml",
            "event": "schedule", "branch": "main",
        }  # fmt: skip
        url = f"https://github.example/{REPOSITORY}/actions/runs/{run_id}"
        run = Run(id=run_id, url=url, title="nightly", attempt=1, **{**fields, **changes})
        states = [(run.status, run.conclusion)]
        self.runs[run_id] = FakeRun(
            run=run, inputs={}, states=states, artifact=None, named=artifacts
        )
        return run_id

    def commit_as(self, author: str, branch: str, message: str, files: dict[str, bytes]) -> str:
        head = self.branches.get(branch)
        tree = dict(self.trees[self.commits[head][0].tree_sha]) if head else {}
        for path, data in files.items():
            self.blobs[sha1("blob", data.decode())] = data
            tree[path] = sha1("blob", data.decode())
        tree_sha = sha1("tree", tree)
        self.trees[tree_sha] = tree
        self.branches[branch] = self._new_commit(author, message, tree_sha, head)
        return self.branches[branch]

    def close_pull(self, number: int, *, merged: bool = False) -> None:
        pull, title, body = self.pulls[number]
        self.pulls[number] = (replace(pull, is_open=False, is_merged=merged), title, body)

    def files(self, ref: str) -> dict[str, bytes]:
        tree = self.trees[self.commits[self.branches.get(ref, ref)][0].tree_sha]
        return {path: self.blobs[sha] for path, sha in tree.items()}

    def history(self, branch: str) -> list[Commit]:
        found, sha = [], self.branches.get(branch)
        while sha is not None:
            commit, sha = self.commits[sha]
            found.append(commit)
        return found

    def said(self, number: int) -> str:
        return "\n\n".join(comment.body for comment in self.threads.get(number, []))

    def comments_with(self, number: int, text: str) -> list[str]:
        return [comment.body for comment in self.threads.get(number, []) if text in comment.body]

    # ---- GitHubApp ----
    def login(self) -> str:
        return LOGIN

    def repository(self, full_name: str, installation_id: int | None) -> FakeGitHub:
        if full_name != REPOSITORY:
            raise NotFound(404, "Not Found")
        return self

    def repositories(self) -> list[Installed]:
        return [Installed(full_name=REPOSITORY, installation_id=1)]

    def hook_deliveries(self, since_s: float) -> list[HookDelivery]:
        return [one for one in self.hook_tries if one.at_s >= since_s]

    def redeliver(self, delivery_id: int) -> None:
        self.redelivered.append(delivery_id)

    # ---- GitHub ----
    def default_branch(self) -> str:
        return "main"

    def web_url(self) -> str:
        return "https://github.example/octo/kernels"

    def role(self, login: str) -> Role:
        return self.roles.get(login, Role(role_name="read", permission="read"))

    def issue(self, number: int) -> Issue:
        if number not in self.issues:
            raise NotFound(404, "Not Found")
        return self.issues[number]

    def comments(self, number: int) -> list[Comment]:
        return list(self.threads.get(number, []))

    def create_comment(self, number: int, body: str) -> Comment:
        assert len(body) <= 65_536
        comment = Comment(id=self._id(), author=LOGIN, body=body)
        self.threads.setdefault(number, []).append(comment)
        return comment

    def edit_comment(self, comment_id: int, body: str) -> None:
        for thread in self.threads.values():
            for index, comment in enumerate(thread):
                if comment.id == comment_id:
                    thread[index] = replace(comment, body=body)
                    self.edits.append(body)
                    return
        raise NotFound(404, "Not Found")

    def react(self, subject: Subject, content: str) -> None:
        self.reactions.add((subject.kind, subject.number, content))

    def ensure_label(self, name: str, color: str, description: str) -> None:
        self.labels.add(name)

    def add_label(self, number: int, name: str) -> None:
        issue = self.issues[number]
        self.issues[number] = replace(issue, labels=(*issue.labels, name))

    def remove_label(self, number: int, name: str) -> None:
        issue = self.issues[number]
        kept = tuple(label for label in issue.labels if label != name)
        self.issues[number] = replace(issue, labels=kept)

    def issues_of(self, login: str) -> list[Issue]:
        return [self.issues[number] for number in sorted(self.titles, reverse=True)]

    def create_issue(self, title: str, body: str, label: str) -> int:
        assert len(title) <= 256
        assert len(body) <= 65_536
        number = self._id()
        self.open_issue(number, body, (label,))
        self.titles[number] = title
        return number

    def edit_issue(self, number: int, title: str, body: str, *, is_open: bool) -> None:
        assert len(body) <= 65_536
        self.titles[number] = title
        self.issues[number] = replace(self.issues[number], body=body, is_open=is_open)

    def open_issues(self, label: str) -> list[int]:
        return [n for n, issue in self.issues.items() if issue.is_open and label in issue.labels]

    def labellings(self, number: int) -> list[Labelling]:
        return self.labelled.get(number, [])

    def unfinished_runs(self, workflow: str) -> list[Run]:
        # A list, not a look at one run: nobody's states move on by it.
        states = [
            (fake.run, fake.states[0][0] if fake.states else "queued")
            for fake in self.runs.values()
        ]
        return [replace(run, status=status) for run, status in states if status != "completed"]

    def cancel_run(self, run_id: int) -> None:
        self.cancelled.append(run_id)
        self.runs[run_id].states[:] = [("completed", "cancelled")]

    def find_run(self, workflow: str, text: str) -> Run | None:
        found = [fake.run for fake in self.runs.values() if text in fake.run.title]
        return found[-1] if found else None

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> int | None:
        if workflow not in self.workflows:
            raise GitHubError(404, "Not Found")
        run_id = self._id()
        title = f"kernelwright {inputs['request_id']}"
        url = f"https://github.example/{REPOSITORY}/actions/runs/{run_id}"
        run = Run(id=run_id, url=url, title=title, status="queued", conclusion=None, attempt=1)
        states, artifact = self.on_dispatch(inputs)
        self.runs[run_id] = FakeRun(run=run, inputs=inputs, states=states, artifact=artifact)
        return run_id

    def run(self, run_id: int) -> Run:
        fake = self.runs[run_id]
        status, conclusion = fake.states[0] if fake.states else ("queued", None)
        if len(fake.states) > 1:
            fake.states.pop(0)
        return replace(fake.run, status=status, conclusion=conclusion)

    def artifact_names(self, run_id: int) -> list[str]:
        return list(self.runs[run_id].named)

    def download_artifact(self, run_id: int, name: str, max_bytes: int) -> bytes | None:
        fake = self.runs[run_id]
        data = fake.named.get(name) if fake.named else fake.artifact
        if data is not None and len(data) > max_bytes:
            raise GitHubError(413, f"the artifact is larger than {max_bytes} bytes")
        return data

    def branch_head(self, branch: str) -> str | None:
        return self.branches.get(branch)

    def commit(self, sha: str) -> Commit:
        return self.commits[sha][0]

    def read_file(self, path: str, ref: str) -> str | None:
        data = self.files(ref).get(path)
        return data.decode() if data is not None else None

    def read_bytes(self, path: str, ref: str | None = None) -> bytes | None:
        data = self.files(ref or "main").get(path)
        if data is not None and len(data) > 1_000_000:
            raise GitHubError(413, f"{path} is too large to be read here")
        return data

    def files_named(self, name: str, sha: str) -> list[str]:
        tree = self.trees[self.commits[sha][0].tree_sha]
        return [path for path in tree if path.split("/")[-1] == name]

    def create_blob(self, content: bytes) -> str:
        sha = sha1("blob", content.decode())
        self.blobs[sha] = content
        return sha

    def create_tree(self, base_tree_sha: str | None, blobs: Mapping[str, str]) -> str:
        tree = {**(self.trees[base_tree_sha] if base_tree_sha else {}), **blobs}
        self.trees[sha1("tree", tree)] = tree
        return sha1("tree", tree)

    def create_commit(self, message: str, tree_sha: str, parent_sha: str | None) -> str:
        return self._new_commit(LOGIN, message, tree_sha, parent_sha)

    def create_branch(self, branch: str, sha: str) -> None:
        if branch in self.branches:
            raise GitHubError(422, "Reference already exists")
        self.branches[branch] = sha

    def move_branch(self, branch: str, sha: str) -> None:
        if self.commits[sha][1] != self.branches[branch]:
            raise GitHubError(422, "Update is not a fast forward")
        self.branches[branch] = sha

    def pull(self, number: int) -> Pull:
        if number not in self.pulls:
            raise NotFound(404, "Not Found")
        pull = self.pulls[number][0]
        return replace(pull, head_sha=self.branches[pull.head_ref])

    def open_pulls(self) -> list[Pull]:
        return [self.pull(number) for number in self.pulls if self.pulls[number][0].is_open]

    def pulls_of_branch(self, branch: str) -> list[Pull]:
        numbers = sorted(self.pulls, reverse=True)
        return [self.pull(n) for n in numbers if self.pulls[n][0].head_ref == branch]

    def create_pull(self, pull: NewPull) -> Pull:
        assert len(pull.body) <= 65_536
        if any(p.is_open and p.head_ref == pull.head for p, _, _ in self.pulls.values()):
            raise GitHubError(422, "A pull request already exists")
        made = Pull(
            number=self._id(), url=f"https://github.example/{REPOSITORY}/pull/{self.next_id}",
            is_open=True, is_merged=False, author=LOGIN, head_ref=pull.head,
            head_sha=self.branches[pull.head], head_repository=REPOSITORY,
        )  # fmt: skip
        self.pulls[made.number] = (made, pull.title, pull.body)
        return made

    def edit_pull(self, number: int, title: str, body: str) -> None:
        self.pulls[number] = (self.pulls[number][0], title, body)

    def pull_commits(self, number: int) -> list[PullCommit]:
        rows = [c for c in self.history(self.pulls[number][0].head_ref) if c.message != "Begin"]
        return [
            PullCommit(sha=c.sha, author=c.author_name, message=c.message) for c in reversed(rows)
        ]

    def review_comments(self, number: int, review_id: int) -> list[ReviewComment]:
        return self.reviews.get(review_id, [])

    def check_runs(self, sha: str) -> list[CheckRun]:
        return [
            CheckRun(id=check_id, name=check.name, external_id=check.external_id)
            for check_id, check in self.checks
            if check.head_sha == sha
        ]

    def create_check_run(self, check: NewCheckRun) -> None:
        self.checks.append((self._id(), check))

    def edit_check_run(self, check_id: int, check: NewCheckRun) -> None:
        self.checks = [(i, check if i == check_id else old) for i, old in self.checks]

    def _new_commit(self, author: str, message: str, tree_sha: str, parent: str | None) -> str:
        sha = sha1("commit", author, message, tree_sha, parent, self._id())
        commit = Commit(sha=sha, tree_sha=tree_sha, message=message, author_name=author)
        self.commits[sha] = (commit, parent)
        return sha

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id


GITHUB_METHODS = frozenset(name for name in vars(GitHub) if not name.startswith("_"))
