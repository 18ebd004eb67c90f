"""GitHub's refusals, and answers that are none → `bot.errors`: gone, worth another try, refused."""

from __future__ import annotations

import time
from json import loads as json_of
from typing import Any

from github.GithubException import GithubException

from bot.errors import GitHubError, GitHubUnavailable, NotFound

# GitHub's advice where a rate limit names no time.
RATE_LIMIT_WAIT_S = 60.0


def no_answer(error: Exception) -> GitHubUnavailable:
    # requests' errors are OSErrors; a ValueError is an answer that is not JSON.
    return GitHubUnavailable(0, f"no usable answer from GitHub: {error}")


def refusal_of(text: str) -> dict[str, Any]:
    """The body of an error: GitHub's JSON, or what a proxy on the way wrote instead."""
    try:
        data = json_of(text)
    except ValueError:
        return {"message": text[:200]}
    return data if isinstance(data, dict) else {"message": text[:200]}


def error_of(error: GithubException) -> GitHubError:
    """What a status means for the caller: gone, worth another try, or refused."""
    status = error.status
    data = error.data if isinstance(error.data, dict) else {}
    message = str(data.get("message") or error.message or error.data or "no reason given")
    if status == 404:
        return NotFound(status, message)
    headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
    limited = status == 429 or (status == 403 and _is_limit(message, headers))
    if status >= 500 or limited:
        return GitHubUnavailable(status, message, _retry_after_s(headers, limited=limited))
    return GitHubError(status, message + _details(data))


def _is_limit(message: str, headers: dict[str, str]) -> bool:
    """Whether a 403 means 'later' and not 'never'."""
    words = message.lower()
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or any(phrase in words for phrase in ("rate limit", "abuse detection"))
    )


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
