"""Bytes of a stream that are no UTF-8 cost a character, not the answer.

Owns the repair of response bodies. The client decodes strictly, and an answer has been paid for.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator

from runner.model.http import httpx


async def repair(response: httpx.Response) -> None:
    """An httpx response hook: what is read from `response` from now on is valid UTF-8."""
    # Compressed bytes are no text yet; we ask for none (`HEADERS`), but a proxy may not care.
    if "content-encoding" not in response.headers and isinstance(
        response.stream, httpx.AsyncByteStream
    ):
        response.stream = _Repaired(response.stream)


HEADERS = {"accept-encoding": "identity"}


class _Repaired(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for data in self._inner:
            yield decoder.decode(data).encode()
        yield decoder.decode(b"", final=True).encode()

    async def aclose(self) -> None:
        await self._inner.aclose()
