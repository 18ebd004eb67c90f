"""One API request as a handler sees it, and the answer that it gives.

Owns the look-ups, role checks and paging that routes share. Refuses with `ApiError`, in GitHub's
words where they are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from bot.standin.auth import Actor
from bot.standin.description import Operation
from bot.standin.hub import Hub
from bot.standin.state import ROLES, Account, Issue, PullRequest, Repository, Role

BODY_MAX_CHARS = 65_536
REPO = "/repos/{owner}/{repo}"
_PER_PAGE, _PER_PAGE_MAX = 30, 100
Item = TypeVar("Item")


class ApiError(Exception):
    """A request that GitHub would refuse."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    data: Any = None  # None: no body
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"" if self.data is None else json.dumps(self.data, separators=(",", ":")).encode()


def ok(data: Any) -> Reply:
    return Reply(status=200, data=data)


def created(data: Any) -> Reply:
    return Reply(status=201, data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A validated request of a known actor. Handlers run with the state's lock held."""

    hub: Hub
    actor: Actor
    operation: Operation
    path: str
    query: str
    body: Any

    @property
    def base(self) -> str:
        return self.hub.base

    @property
    def sender(self) -> Account:
        return self.actor.account

    def field(self, name: str, default: Any = None) -> Any:
        """A field of the JSON body, or `default` when it is absent or null."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return default if value is None else value

    def param(self, name: str) -> str:
        return self.operation.params[name]

    def number(self, name: str) -> int:
        return int(self.operation.params[name])

    def ask(self, name: str, default: str = "") -> str:
        """A parameter of the query string."""
        return dict(parse_qsl(self.query)).get(name, default)

    @property
    def repository(self) -> Repository:
        if self.actor.kind == "app" and not self.operation.template.endswith("/installation"):
            raise ApiError(401, "A JSON web token opens only the App's own routes")
        full_name = f"{self.param('owner')}/{self.param('repo')}"
        repo = self.hub.state.repositories.get(full_name)
        if repo is not None:
            return repo
        if full_name not in self.hub.state.renamed:
            raise ApiError(404, "Not Found")
        rest = self.path.removeprefix(f"/repos/{full_name}")
        raise self._moved(f"/repositories/{self.hub.state.renamed[full_name]}{rest}")

    def _moved(self, path: str) -> ApiError:
        query = f"?{self.query}" if self.query else ""
        status = 301 if self.operation.method == "GET" else 307
        location = {"Location": f"{self.base}{path}{query}"}
        return ApiError(status, "Moved Permanently", location)

    def require(self, role: Role) -> Repository:
        """The repository, if the actor may act there as `role`."""
        repo = self.repository
        if self.actor.kind == "installation":
            return repo
        if self.actor.kind == "anonymous":
            raise ApiError(401, "Requires authentication")
        if ROLES.index(repo.role_of(self.sender.login)) < ROLES.index(role):
            raise ApiError(403, "Resource not accessible by personal access token")
        return repo

    def installation_only(self) -> Repository:
        repo = self.repository
        if self.actor.kind != "installation":
            raise ApiError(403, "You must authenticate via a GitHub App.")
        return repo

    def issue(self, name: str = "issue_number") -> Issue:
        repo, number = self.repository, self.number(name)
        issue = repo.issues.get(number)
        if issue is not None:
            return issue
        if number in repo.transferred:
            target_id, now = repo.transferred[number]
            rest = self.path.removeprefix(f"/repos/{repo.full_name}/issues/{number}")
            raise self._moved(f"/repositories/{target_id}/issues/{now}{rest}")
        if number in repo.deleted:
            raise ApiError(410, "This issue was deleted")
        raise ApiError(404, "Not Found")

    def pull(self) -> tuple[Issue, PullRequest]:
        issue = self.issue("pull_number")
        if issue.pull is None:
            raise ApiError(404, "Not Found")
        return issue, issue.pull

    def paged(
        self, items: Sequence[Item], shape: Callable[[Item], Any], key: str | None = None
    ) -> Reply:
        """One page of `items`, with the `Link` header; `key`: inside an object with a count."""
        per_page = min(int(self.ask("per_page", str(_PER_PAGE))), _PER_PAGE_MAX)
        page = max(int(self.ask("page", "1")), 1)
        last = max(-(-len(items) // per_page), 1)
        shown = [shape(item) for item in items[(page - 1) * per_page : page * per_page]]
        targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = [rel for rel in ("prev", "first") if page > 1]
        wanted += [rel for rel in ("next", "last") if page < last]
        links = [f'<{self._page_url(targets[rel])}>; rel="{rel}"' for rel in wanted]
        headers = {"Link": ", ".join(links)} if links else {}
        data = shown if key is None else {"total_count": len(items), key: shown}
        return Reply(status=200, data=data, headers=headers)

    def _page_url(self, page: int) -> str:
        query = dict(parse_qsl(self.query)) | {"page": str(page)}
        return f"{self.base}{self.path}?{urlencode(query)}"


Handler = Callable[[Call], Reply]
Routes = Mapping[tuple[str, str], Handler]


def checked_text(text: str | None) -> str | None:
    """`text`, if GitHub would take it as the body of an issue, a comment or a pull request."""
    if text is not None and len(text) > BODY_MAX_CHARS:
        raise ApiError(422, f"body is too long (maximum is {BODY_MAX_CHARS} characters)")
    return text
