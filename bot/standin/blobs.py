"""Short-lived links to stored bytes: how artifacts are handed out.

Owns the tokens and their one minute of life. The links name another host than the API's, as on
GitHub, so that a client which sends its credentials along to the storage is caught.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LINK_LIFETIME_S = 60.0
PATH = "/_blobs/"


@dataclass(slots=True, eq=False)
class Blobs:
    """`base` is the storage's URL, set once the server listens; `clock` gives seconds."""

    base: str = ""
    clock: Callable[[], float] = time.monotonic
    _links: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    def link(self, data: bytes) -> str:
        token = secrets.token_urlsafe(32)
        self._links[token] = (data, self.clock() + LINK_LIFETIME_S)
        return f"{self.base}{PATH}{token}"

    def read(self, token: str) -> bytes | None:
        """The bytes, or None when the link is unknown or its minute is over."""
        data, ends = self._links.get(token, (b"", 0.0))
        return data if self.clock() < ends else None
