"""One small HTTP exchange with a secret in its header.

Owns what such an exchange may not do: follow a redirect (the secret would go along), leave TLS
(but on this machine), wait long, or read much. Raises OSError or ValueError, nothing else.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 65_536
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`retry_after_s` is the server's wish, None where it has none."""

    status: int
    body: bytes
    retry_after_s: float | None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: the 3xx itself becomes the answer."""


def exchange(url: str, *, bearer: str, body: bytes | None = None) -> Answer:
    """GET, or POST with a JSON `body`. An answer of any status is an answer."""
    check_address(url)
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked above
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if urlsplit(url).hostname in _LOOPBACK:
        # No proxy lies between a machine and itself, whatever the environment says.
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as response:
            return _answer(response.status, response.read(MAX_ANSWER_BYTES), response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.read(MAX_ANSWER_BYTES), error.headers)
    except http.client.HTTPException as error:
        raise OSError(f"not HTTP: {type(error).__name__}") from error


def check_address(url: str) -> None:
    """Raises ValueError for an address to which no secret may go."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("the address must start with https://")
    if not parts.hostname:
        raise ValueError("the address names no host")


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    wish = str(headers.get("Retry-After") or "")
    return Answer(status=status, body=body, retry_after_s=float(wish) if wish.isdecimal() else None)
