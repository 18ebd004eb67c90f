"""`GitHub` for one repository, over REST: which path each method is."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bot.errors import GitHubError, NotFound
from bot.github_api import decode
from bot.github_api.artifacts import download, too_large
from bot.github_api.rest import Rest
from bot.github_api.types import (
    CheckRun,
    Comment,
    Commit,
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

# A run is looked for among the newest dispatches only.
MAX_RUNS_SEEN = 300
# `pending`: it waits for its concurrency group, as all but one do on a busy GPU.
_UNFINISHED = ("queued", "pending", "in_progress")


class Repository:
    """`GitHub` for one repository."""

    def __init__(self, rest: Rest, full_name: str) -> None:
        self._rest = rest
        self._root = f"/repos/{full_name}"
        self._owner = full_name.split("/")[0]

    def _get(self, path: str, **query: Any) -> Any:
        return self._rest.call("GET", self._root + path, query=query or None)

    def _post(self, path: str, **body: Any) -> Any:
        return self._rest.call("POST", self._root + path, json=body or None)

    def _patch(self, path: str, **body: Any) -> Any:
        return self._rest.call("PATCH", self._root + path, json=body)

    def default_branch(self) -> str:
        return str(self._get("")["default_branch"])

    def web_url(self) -> str:
        return str(self._get("")["html_url"]).rstrip("/")

    def role(self, login: str) -> Role:
        try:
            answer = self._get(f"/collaborators/{quote(login, safe='')}/permission")
        except NotFound:
            return Role(role_name="none", permission="none")
        permission = str(answer["permission"])
        return Role(role_name=str(answer.get("role_name") or permission), permission=permission)

    def issue(self, number: int) -> Issue:
        return decode.issue(self._get(f"/issues/{number}"))

    def open_issues(self, label: str) -> list[int]:
        rows = self._rest.pages(f"{self._root}/issues", labels=label, state="open")
        return [int(row["number"]) for row in rows if "pull_request" not in row]

    def issues_of(self, login: str) -> list[Issue]:
        rows = self._rest.pages(f"{self._root}/issues", creator=login, state="all")
        return [decode.issue(row) for row in rows if "pull_request" not in row]

    def create_issue(self, title: str, body: str, label: str) -> int:
        return int(self._post("/issues", title=title, body=body, labels=[label])["number"])

    def edit_issue(self, number: int, title: str, body: str, *, is_open: bool) -> None:
        state = "open" if is_open else "closed"
        self._patch(f"/issues/{number}", title=title, body=body, state=state)

    def labellings(self, number: int) -> list[Labelling]:
        rows = self._rest.pages(f"{self._root}/issues/{number}/events")
        return [decode.labelling(row) for row in rows if row["event"] == "labeled"]

    def comments(self, number: int) -> list[Comment]:
        path = f"{self._root}/issues/{number}/comments"
        return [decode.comment(row) for row in self._rest.pages(path)]

    def create_comment(self, number: int, body: str) -> Comment:
        return decode.comment(self._post(f"/issues/{number}/comments", body=body))

    def edit_comment(self, comment_id: int, body: str) -> None:
        self._patch(f"/issues/comments/{comment_id}", body=body)

    def react(self, subject: Subject, content: str) -> None:
        # GitHub answers 200 with the reaction that is already there: no look needed.
        kind = "issues" if subject.kind == "issue" else "issues/comments"
        self._post(f"/{kind}/{subject.number}/reactions", content=content)

    def ensure_label(self, name: str, color: str, description: str) -> None:
        if self._has_label(name):
            return
        try:
            self._post("/labels", name=name, color=color, description=description)
        except GitHubError as error:
            # Two requests that begin together both find none: one of them makes it.
            if error.status != 422 or not self._has_label(name):
                raise

    def _has_label(self, name: str) -> bool:
        try:
            self._get(f"/labels/{quote(name, safe='')}")
        except NotFound:
            return False
        return True

    def add_label(self, number: int, name: str) -> None:
        self._post(f"/issues/{number}/labels", labels=[name])

    def remove_label(self, number: int, name: str) -> None:
        path = f"{self._root}/issues/{number}/labels/{quote(name, safe='')}"
        try:
            self._rest.call("DELETE", path)
        except NotFound:
            return  # someone else was faster

    def find_run(self, workflow: str, text: str) -> Run | None:
        path = f"{self._root}/actions/workflows/{quote(workflow, safe='')}/runs"
        rows = self._rest.pages(path, "workflow_runs", event="workflow_dispatch")
        for seen, row in enumerate(rows):
            if seen >= MAX_RUNS_SEEN:
                return None
            run = decode.run(row)
            if text in run.title:
                return run
        return None

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> int | None:
        answer = self._post(
            f"/actions/workflows/{quote(workflow, safe='')}/dispatches",
            ref=ref,
            inputs=dict(inputs),
            return_run_details=True,
        )
        return int(answer["workflow_run_id"]) if answer else None

    def run(self, run_id: int) -> Run:
        return decode.run(self._get(f"/actions/runs/{run_id}"))

    def unfinished_runs(self, workflow: str) -> list[Run]:
        path = f"{self._root}/actions/workflows/{quote(workflow, safe='')}/runs"
        try:
            return [
                decode.run(row)
                for status in _UNFINISHED
                for row in self._rest.pages(
                    path, "workflow_runs", event="workflow_dispatch", status=status
                )
            ]
        except NotFound:
            return []  # a repository without that workflow

    def cancel_run(self, run_id: int) -> None:
        try:
            self._post(f"/actions/runs/{run_id}/cancel")
        except NotFound:
            return  # deleted
        except GitHubError as error:
            if error.status != 409:  # it has ended
                raise

    def artifact_names(self, run_id: int) -> list[str]:
        rows = self._rest.pages(f"{self._root}/actions/runs/{run_id}/artifacts", "artifacts")
        return [str(row["name"]) for row in rows if not row["expired"]]

    def download_artifact(self, run_id: int, name: str, max_bytes: int) -> bytes | None:
        path = f"{self._root}/actions/runs/{run_id}/artifacts"
        for row in self._rest.pages(path, "artifacts"):
            if row["name"] == name and not row["expired"]:
                if row["size_in_bytes"] > max_bytes:
                    raise too_large(max_bytes)
                zip_path = f"{self._root}/actions/artifacts/{row['id']}/zip"
                try:
                    return download(self._rest, zip_path, max_bytes)
                except GitHubError as error:
                    if error.status != 410:  # it has expired since it was listed
                        raise
        return None

    def branch_head(self, branch: str) -> str | None:
        try:
            return str(self._get(f"/git/ref/heads/{quote(branch)}")["object"]["sha"])
        except NotFound:
            return None

    def commit(self, sha: str) -> Commit:
        return decode.commit(self._get(f"/git/commits/{sha}"))

    def read_file(self, path: str, ref: str) -> str | None:
        try:
            data = self.read_bytes(path, ref)
            return data.decode("utf-8") if data is not None else None
        except UnicodeDecodeError:
            return None
        except GitHubError as error:
            if error.status in (413, 422):
                return None
            raise

    def read_bytes(self, path: str, ref: str | None = None) -> bytes | None:
        query = {} if ref is None else {"ref": ref}
        try:
            answer = self._get(f"/contents/{quote(path)}", **query)
        except NotFound:
            return None
        if not isinstance(answer, dict) or answer.get("type") != "file":
            raise GitHubError(422, f"{path} is not a file")
        if answer.get("encoding") != "base64":
            raise GitHubError(413, f"{path} is too large to be read here")
        try:
            return base64.b64decode(answer["content"])
        except binascii.Error as error:
            raise GitHubError(422, f"{path} came in a form that cannot be read") from error

    def files_named(self, name: str, sha: str) -> list[str]:
        rows = self._get(f"/git/trees/{self.commit(sha).tree_sha}", recursive="1")["tree"]
        paths = (str(row["path"]) for row in rows if row["type"] == "blob")
        return [path for path in paths if path.rsplit("/", 1)[-1] == name]

    def create_blob(self, content: bytes) -> str:
        encoded = base64.b64encode(content).decode()
        return str(self._post("/git/blobs", content=encoded, encoding="base64")["sha"])

    def create_tree(self, base_tree_sha: str | None, blobs: Mapping[str, str]) -> str:
        rows = [
            {"path": path, "mode": "100644", "type": "blob", "sha": sha}
            for path, sha in sorted(blobs.items())
        ]
        base = {} if base_tree_sha is None else {"base_tree": base_tree_sha}
        return str(self._post("/git/trees", **base, tree=rows)["sha"])

    def create_commit(self, message: str, tree_sha: str, parent_sha: str | None) -> str:
        parents = [] if parent_sha is None else [parent_sha]
        answer = self._post("/git/commits", message=message, tree=tree_sha, parents=parents)
        return str(answer["sha"])

    def create_branch(self, branch: str, sha: str) -> None:
        self._post("/git/refs", ref=f"refs/heads/{branch}", sha=sha)

    def move_branch(self, branch: str, sha: str) -> None:
        self._patch(f"/git/refs/heads/{quote(branch)}", sha=sha, force=False)

    def pull(self, number: int) -> Pull:
        return decode.pull(self._get(f"/pulls/{number}"))

    def open_pulls(self) -> list[Pull]:
        rows = self._rest.pages(f"{self._root}/pulls", state="open")
        return [decode.pull(row) for row in rows]

    def pulls_of_branch(self, branch: str) -> list[Pull]:
        rows = self._rest.pages(f"{self._root}/pulls", state="all", head=f"{self._owner}:{branch}")
        return sorted((decode.pull(row) for row in rows), key=lambda pull: -pull.number)

    def create_pull(self, pull: NewPull) -> Pull:
        answer = self._post(
            "/pulls", title=pull.title, body=pull.body, head=pull.head, base=pull.base
        )
        return decode.pull(answer)

    def edit_pull(self, number: int, title: str, body: str) -> None:
        self._patch(f"/pulls/{number}", title=title, body=body)

    def pull_commits(self, number: int) -> list[PullCommit]:
        rows = self._rest.pages(f"{self._root}/pulls/{number}/commits")
        return [decode.pull_commit(row) for row in rows]

    def review_comments(self, number: int, review_id: int) -> list[ReviewComment]:
        path = f"{self._root}/pulls/{number}/reviews/{review_id}/comments"
        return [decode.review_comment(row) for row in self._rest.pages(path)]

    def check_runs(self, sha: str) -> list[CheckRun]:
        rows = self._rest.pages(f"{self._root}/commits/{sha}/check-runs", "check_runs")
        return [decode.check_run(row) for row in rows]

    def create_check_run(self, check: NewCheckRun) -> None:
        self._post("/check-runs", head_sha=check.head_sha, **decode.check_fields(check))

    def edit_check_run(self, check_id: int, check: NewCheckRun) -> None:
        self._patch(f"/check-runs/{check_id}", **decode.check_fields(check))
