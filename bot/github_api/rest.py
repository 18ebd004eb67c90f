"""REST calls through PyGithub's requester, with the bot's own retry rule and errors.

Owns the mapping of answers to `bot.errors`. Refuses to repeat a write: PyGithub's default retry
repeats a POST after a 502 or a read timeout, and a write that had landed is then done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from github import Auth, Github, GithubRetry
from github.GithubException import GithubException

from bot.errors import GitHubError, GitHubUnavailable, NotFound

API_VERSION = "2022-11-28"
TIMEOUT_S = 30
PER_PAGE = 100
# GitHub's advice where a rate limit names no time.
RATE_LIMIT_WAIT_S = 60.0
# Told of every call: its status (0: no answer) and its headers, in lower case.
Observe = Callable[[int, Mapping[str, object]], None]


def ignore(_status: int, _headers: Mapping[str, object]) -> None:
    """The observer of a client that nobody watches."""


class Rest:
    """One authenticated session. Paths are relative to the API's root."""

    def __init__(
        self,
        auth: Auth.Auth,
        base_url: str,
        *,
        request_gap_s: float,
        write_gap_s: float,
        observe: Observe = ignore,
    ) -> None:
        self._observe = observe
        self._client = Github(
            auth=auth,
            base_url=base_url,
            timeout=TIMEOUT_S,
            per_page=PER_PAGE,
            retry=GithubRetry(total=3, backoff_factor=0.2, allowed_methods={"GET"}),
            seconds_between_requests=request_gap_s or None,
            seconds_between_writes=write_gap_s or None,
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
        try:
            headers, data = self._client.requester.requestJsonAndCheck(
                verb, path, parameters=query, input=json
            )
        except GithubException as error:
            lower = {name.lower(): value for name, value in (error.headers or {}).items()}
            self._observe(error.status, lower)
            raise _error(error) from error
        except (OSError, ValueError) as error:
            self._observe(0, {})
            # requests' errors are OSErrors; a ValueError is an answer that is not JSON.
            raise GitHubUnavailable(0, f"no usable answer from GitHub: {error}") from error
        # PyGithub keeps the status of a success to itself, and which of them it was tells nothing.
        self._observe(200, headers)
        return headers, data

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


def _error(error: GithubException) -> GitHubError:
    """What a status means for the caller: gone, worth another try, or refused."""
    status = error.status
    data = error.data if isinstance(error.data, dict) else {}
    message = str(data.get("message") or error.message or error.data or "no reason given")
    if status == 404:
        return NotFound(status, message)
    headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
    refused = "rate limit" not in message.lower() and "retry-after" not in headers
    limited = status == 429 or (status == 403 and not refused)
    if status >= 500 or limited:
        return GitHubUnavailable(status, message, _retry_after_s(headers, limited=limited))
    return GitHubError(status, message + _details(data))


def _details(data: dict[str, Any]) -> str:
    """GitHub's own list of what was wrong with a 422, in one line."""
    errors = data.get("errors")
    if not isinstance(errors, list):
        return ""
    texts = [e.get("message") or e.get("code") if isinstance(e, dict) else e for e in errors]
    return "".join(f"; {text}" for text in texts if text)


def _retry_after_s(headers: dict[str, str], *, limited: bool) -> float | None:
    """GitHub's own wish: `retry-after`, else the limit's reset, else its general advice."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if limited and headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - time.time()) + 1.0
    return RATE_LIMIT_WAIT_S if limited else None
