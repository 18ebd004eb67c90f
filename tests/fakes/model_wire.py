"""How a simulated model speaks: one HTTP response with its SSE events, and one request read.

Owns the bytes. Speaks HTTP/1.1 by hand, because a proper server will not reset a connection or
send half a stream.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from tests.fakes.model_script import Ask, Fault

CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Response:
    """One response on its way, in chunked encoding."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def refuse(self, fault: Fault) -> None:
        after = "" if fault.retry_after is None else f"retry-after: {fault.retry_after}\r\n"
        error = {"message": fault.message, "code": fault.code}
        self.reply(fault.status, {"error": error}, after)

    def reply(self, status: int, value: dict[str, Any], headers: str = "") -> None:
        body = json.dumps(value).encode()
        self.writer.write(
            f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{headers}"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def reset(self) -> None:
        # With no linger a close is a reset: the client sees an error, not an end.
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def begin(self) -> None:
        self.writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def event(self, value: dict[str, Any]) -> None:
        await self.raw(f"data: {json.dumps(value)}\n\n".encode())

    async def raw(self, data: bytes) -> None:
        if self.reader.at_eof() or self.writer.is_closing():
            raise ConnectionResetError("the client hung up")
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        await self.raw(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def spoil(self, kind: str) -> None:
        """Send what makes the stream go wrong that way; silence lasts until it is dropped."""
        if kind == "not_utf8":
            await self.raw(b'data: {"choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n')
        elif kind == "garbage":
            await self.raw(b"data: {no json\n\n")
        elif kind == "error_event":
            await self.event({"error": {"message": "the engine died"}})
        elif kind == "interrupted":
            await self.event(chunk({}, "insufficient_system_resource"))
        elif kind == "stalled":
            await self.reader.read(1)
        elif kind == "keep_alive":
            dropped = asyncio.ensure_future(self.reader.read(1))
            while not (await asyncio.wait({dropped}, timeout=0.05))[0]:
                await self.raw(b": keep-alive\n\n")


def ask_of(call: int, body: dict[str, Any], headers: dict[str, str], path: str) -> Ask:
    tag = headers.get("x-client-request-id", "").split("-")
    return Ask(
        call=call,
        attempt=int(tag[1]) if len(tag) > 1 and tag[1].isdigit() else call,
        body=body,
        key=headers.get("authorization", "").removeprefix("Bearer "),
        path=path,
    )


def split(thinking: str, reasoning: str, content: str, count: int) -> list[tuple[str, str]]:
    """(field, text) in about `count` pieces, the thinking first, under that name."""
    size = max(1, -(-(len(reasoning) + len(content)) // count))
    return [
        (name, text[start : start + size])
        for name, text in ((thinking, reasoning), ("content", content))
        for start in range(0, len(text), size)
    ]


def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def usage(ask: Ask, pieces: list[tuple[str, str]]) -> dict[str, Any]:
    def tokens(texts: list[str]) -> int:
        return -(-sum(map(len, texts)) // CHARS_PER_TOKEN)

    asked = tokens([message["content"] for message in ask.body["messages"]])
    thought = tokens([text for name, text in pieces if name != "content"])
    written = tokens([text for name, text in pieces if name == "content"])
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "choices": [],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": thought + written,
            "total_tokens": asked + thought + written,
            "completion_tokens_details": {"reasoning_tokens": thought},
        },
    }
