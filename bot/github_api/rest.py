"""REST calls through PyGithub's requester, with the bot's own retry rule and errors.

Owns what is repeated and what is followed. Refuses to repeat a write: PyGithub's default retry
repeats a POST after a 502 or a read timeout, and a write that had landed is then done twice. What
was refused (401) or sent elsewhere (307, 308) did not land, and is repeated once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from json import loads as json_of
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3
from github import Auth, Github
from github.GithubException import GithubException

from bot.errors import GitHubError
from bot.github_api.answers import error_of, no_answer, refusal_of
from bot.github_api.connection import TIMEOUT_S, connect

API_VERSION = "2022-11-28"
PER_PAGE = 100
_REDIRECTS = frozenset({307, 308})
# A repository that was renamed, and an issue in it that was transferred.
_MOST_MOVES = 2
# Not PyGithub's own retry: it sleeps through a rate limit, an hour if need be, without a word in
# the log. A limit is waited out by the step, which says so.
_RETRY = urllib3.Retry(
    total=3,
    backoff_factor=0.2,
    allowed_methods={"GET"},
    status_forcelist={500, 502, 503, 504},
    respect_retry_after_header=False,
    raise_on_status=False,
)
# Told of every request: the status of its answer (0: none) and the headers, in lower case.
Observe = Callable[[int, Mapping[str, object]], None]


def ignore(_status: int, _headers: Mapping[str, object]) -> None:
    """The observer of a client that nobody watches."""


class _Moved(Exception):
    """GitHub answers this request at another path: the repository was renamed or transferred."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    verb: str
    path: str
    query: dict[str, Any] | None = None
    json: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """PyGithub's own pacing: the least time between two requests and between two writes."""

    request_s: float
    write_s: float


class Rest:
    """One authenticated session. Paths are relative to the API's root.

    `renew` gives a credential in place of one that GitHub no longer takes; `before_create` is
    called before each request that creates something.
    """

    def __init__(
        self,
        auth: Auth.Auth | None,
        base_url: str,
        gaps: Gaps,
        *,
        renew: Callable[[Auth.Auth], Auth.Auth] | None = None,
        before_create: Callable[[], None] | None = None,
        observe: Observe = ignore,
    ) -> None:
        self._auth = auth
        self._base_url = base_url
        self._gaps = gaps
        self._renew = renew
        self._before_create = before_create
        self._observe = observe
        self._client = self._connect(auth)
        self._connection = connect(base_url, _RETRY)

    def _connect(self, auth: Auth.Auth | None) -> Github:
        return Github(
            auth=auth,
            base_url=self._base_url,
            timeout=TIMEOUT_S,
            per_page=PER_PAGE,
            retry=_RETRY,
            seconds_between_requests=self._gaps.request_s or None,
            seconds_between_writes=self._gaps.write_s or None,
            api_version=API_VERSION,
        )

    def call(
        self,
        verb: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
    ) -> Any:
        """The decoded answer of one call. Raises GitHubError or a child of it."""
        return self.exchange(verb, path, query=query, json=json)[1]

    def exchange(
        self,
        verb: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], Any]:
        """Headers (lower-case names) and decoded answer of one call."""
        if verb == "POST" and self._before_create is not None:
            self._before_create()
        request = _Request(verb=verb, path=path, query=query, json=json)
        try:
            try:
                return self._follow(request)
            except GithubException as error:
                if error.status != 401 or self._renew is None or self._auth is None:
                    raise
                # A token can end before its hour: its installation was suspended, or changed.
                self._auth = self._renew(self._auth)
                self._client = self._connect(self._auth)
                return self._follow(request)
        except GithubException as error:
            raise error_of(error) from error
        except (OSError, ValueError) as error:
            raise no_answer(error) from error

    def _follow(self, request: _Request) -> tuple[dict[str, Any], Any]:
        """The answer from where the thing is now, asked with the same query."""
        for _ in range(_MOST_MOVES + 1):
            try:
                return self._send(request)
            except _Moved as moved:
                request = replace(request, path=moved.path)
        raise GitHubError(0, f"GitHub sends us in circles: {request.path}")

    def _send(self, request: _Request) -> tuple[dict[str, Any], Any]:
        status, headers, text = self._ask(request)
        if status in _REDIRECTS and headers.get("location"):
            # PyGithub takes these for success, and the write would be lost without a word.
            raise _Moved(urlsplit(str(headers["location"])).path)
        if status >= 400:
            raise self._client.requester.createException(status, headers, refusal_of(text))
        return headers, json_of(text) if text else None

    def _ask(self, request: _Request) -> tuple[int, dict[str, Any], str]:
        """Status, headers and text of one answer, whatever it says."""
        try:
            status, headers, text = self._client.requester.requestJson(
                request.verb,
                request.path,
                parameters=request.query,
                input=request.json,
                cnx=self._connection,
            )
        except GithubException as error:
            # A token could not be had, which is a request of its own.
            lower = {name.lower(): value for name, value in (error.headers or {}).items()}
            self._observe(error.status, lower)
            raise
        except OSError:
            self._observe(0, {})
            raise
        self._observe(status, headers)
        return status, headers, text

    def pages(self, path: str, key: str | None = None, **query: Any) -> Iterator[Any]:
        """The items of a list over all its pages; `key` where the list is inside an object."""
        page = 1
        while True:
            answer = self.call("GET", path, query={**query, "per_page": PER_PAGE, "page": page})
            items = answer[key] if key else answer
            yield from items
            if len(items) < PER_PAGE:
                return
            page += 1

    def cursor_pages(self, path: str) -> Iterator[Any]:
        """The items of a list that is paged by the cursor in its `Link` header."""
        query: dict[str, Any] = {"per_page": PER_PAGE}
        while True:
            headers, items = self.exchange("GET", path, query=query)
            yield from items
            cursor = _next_cursor(str(headers.get("link") or ""))
            if cursor is None:
                return
            query = {"per_page": PER_PAGE, "cursor": cursor}

    def headers(self, path: str) -> dict[str, Any]:
        """The headers (lower-case names) of a GET, also where GitHub refuses it."""
        try:
            return self._ask(_Request(verb="GET", path=path))[1]
        except GithubException as error:
            raise error_of(error) from error
        except (OSError, ValueError) as error:
            raise no_answer(error) from error


def _next_cursor(link: str) -> str | None:
    for part in link.split(","):
        target, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            found = parse_qs(urlsplit(target.strip(" <>")).query).get("cursor")
            return found[0] if found else None
    return None
