"""People who act on the stand-in: they open issues, label, comment, review and push.

Owns what a person does in the browser or with git, done over the same REST routes as everybody's
requests, so that these are checked too. What has no route on GitHub (filling in a form, pushing)
goes to the stand-in directly.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from bot.standin import moves
from bot.standin.hub import Hub
from bot.standin.issue_form import parse_form
from bot.standin.state import Account, Repository

ReviewEvent = Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"]


class Refused(Exception):
    """A request of a person that the API refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A comment for a review, on a line of the new file."""

    path: str
    line: int
    body: str


class Person:
    """An account with a token, at work on one repository. Every method raises `Refused`."""

    def __init__(self, hub: Hub, repo: Repository, account: Account, token: str) -> None:
        self.login = account.login
        self.token = token
        self._hub = hub
        self._repo = repo
        self._account = account
        self._http = httpx.Client(
            base_url=f"{hub.base}/repos/{repo.full_name}",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
            timeout=30.0,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # no certificates: loopback, no TLS
        )

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One API request below the repository's URL; returns the JSON of the answer."""
        answer = self._http.request(method, path, json=body)
        if answer.status_code >= 300:
            raise Refused(answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def open_issue(self, title: str, body: str, labels: Sequence[str] = ()) -> int:
        """Open an issue; returns its number."""
        made = self.request("POST", "/issues", {"title": title, "body": body, "labels": [*labels]})
        return int(made["number"])

    def open_form(self, form_path: str, title: str, answers: Mapping[str, str]) -> int:
        """Open an issue by filling in the form kept at `form_path` on the default branch.

        The form's labels are put on whoever opens it; those that the repository lacks are not.
        """
        content = self._repo.git.read_file(f"refs/heads/{self._repo.default_branch}", form_path)
        if content is None:
            raise Refused(404, f"there is no form at {form_path}")
        form = parse_form(content.decode())
        number = self.open_issue(form.title + title, form.body(answers))
        with self._hub.state.lock:
            known = [label for label in form.labels if label in self._repo.labels]
            issue = self._repo.issues[number]
            self._hub.put_labels(self._repo, issue, known, self._account)
        return number

    def edit_issue(self, number: int, **changes: str) -> None:
        self.request("PATCH", f"/issues/{number}", changes)

    def close(self, number: int) -> None:
        """Close an issue or a pull request."""
        self.request("PATCH", f"/issues/{number}", {"state": "closed"})

    def label(self, number: int, name: str) -> None:
        self.request("POST", f"/issues/{number}/labels", {"labels": [name]})

    def unlabel(self, number: int, name: str) -> None:
        self.request("DELETE", f"/issues/{number}/labels/{name}")

    def comment(self, number: int, body: str) -> int:
        """Comment on an issue or a pull request; returns the comment's id."""
        return int(self.request("POST", f"/issues/{number}/comments", {"body": body})["id"])

    def review(
        self,
        number: int,
        event: ReviewEvent,
        body: str | None = None,
        comments: Sequence[Inline] = (),
    ) -> int:
        """Submit a review of a pull request; returns the review's id."""
        given: dict[str, Any] = {"event": event}
        if body is not None:
            given["body"] = body
        if comments:
            given["comments"] = [
                {"path": each.path, "line": each.line, "side": "RIGHT", "body": each.body}
                for each in comments
            ]
        return int(self.request("POST", f"/pulls/{number}/reviews", given)["id"])

    def push_commit(self, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
        """Push one commit to a branch, as `git push` would; returns its id."""
        state = self._hub.state
        with state.lock:
            author = self._account.signature
            sha = self._repo.git.commit_files(branch, files, message, author, state.clock())
            self._hub.branch_moved(self._repo, f"refs/heads/{branch}", sha, self._account)
        return sha

    def rename_repository(self, name: str) -> None:
        """Rename the repository; what this person does next goes to its new name."""
        moves.rename_repository(self._hub, self._repo, name)
        self._http.base_url = f"{self._hub.base}/repos/{self._repo.full_name}"

    def transfer_issue(self, number: int, target: Repository) -> int:
        """Move an issue to another repository; its number there."""
        return moves.transfer_issue(self._hub, self._repo, number, target, self._account).number

    def delete_issue(self, number: int) -> None:
        moves.delete_issue(self._hub, self._repo, number, self._account)

    def lock(self, number: int) -> None:
        """From now on only those who may write can comment."""
        with self._hub.state.lock:
            self._repo.locked.add(number)

    def close_session(self) -> None:
        self._http.close()
