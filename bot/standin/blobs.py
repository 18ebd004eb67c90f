"""Short-lived links to stored bytes: how artifacts are handed out.

Owns the tokens, their one minute of life, and the count of what was sent. The links name another
host than the API's, as on GitHub, so that a client which sends its credentials along is caught.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

LINK_LIFETIME_S = 60.0
PATH = "/_blobs/"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes, and zeros after them that are nowhere in memory."""

    data: bytes
    zeros_bytes: int = 0


@dataclass(slots=True, eq=False)
class Blobs:
    """`base` is the storage's URL, set once the server listens; `clock` gives seconds."""

    base: str = ""
    clock: Callable[[], float] = time.monotonic
    sent_bytes: int = 0  # of all blobs, as far as they were taken
    _links: dict[str, tuple[Blob, float]] = field(default_factory=dict)

    def link(self, data: bytes, zeros_bytes: int = 0) -> str:
        token = secrets.token_urlsafe(32)
        blob = Blob(data=data, zeros_bytes=zeros_bytes)
        self._links[token] = (blob, self.clock() + LINK_LIFETIME_S)
        return f"{self.base}{PATH}{token}"

    def read(self, token: str) -> Iterator[bytes] | None:
        """The bytes in pieces, or None when the link is unknown or its minute is over."""
        blob, ends = self._links.get(token, (None, 0.0))
        return None if blob is None or self.clock() >= ends else self._send(blob)

    def _send(self, blob: Blob) -> Iterator[bytes]:
        self.sent_bytes += len(blob.data)
        yield blob.data
        zeros, left = bytes(_CHUNK_BYTES), blob.zeros_bytes
        while left:
            chunk = zeros[: min(left, _CHUNK_BYTES)]
            left -= len(chunk)
            self.sent_bytes += len(chunk)
            yield chunk
