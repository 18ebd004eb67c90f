"""A reasoning model behind an OpenAI-compatible endpoint: real HTTP and SSE on loopback.

Owns the wire, the pace and the record of what was served; `tests.fakes.model_script` says what.
Speaks HTTP/1.1 by hand, because a proper server will not reset a connection or send half a stream.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.model_script import (
    PAID,
    UNAUTHORIZED,
    UNKNOWN_MODEL,
    Ask,
    Fault,
    Faults,
    Pace,
    Reply,
    Served,
    Skill,
    no_faults,
)

CHARS_PER_TOKEN = 4
PATH = "/chat/completions"


@dataclass
class ModelServer:
    """The endpoint. Use as a context manager; `served` holds every request, in order of its end."""

    skill: Skill
    faults: Faults = no_faults
    pace: Pace = field(default_factory=Pace)
    key: str | None = None  # any will do when None
    models: tuple[str, ...] = ()  # any will do when empty
    think_on: bool = False  # also where it continues an answer
    served: list[Served] = field(default_factory=list)
    peak: int = 0  # most requests that were under way at once
    port: int = 0

    def __enter__(self) -> ModelServer:
        self._calls = self._open = 0
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="model-server", daemon=True
        )
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def settle(self) -> list[Served]:
        """All that was served, once nothing is under way: a client that hung up is seen late."""
        deadline_s = time.monotonic() + 5
        while self._open and time.monotonic() < deadline_s:
            time.sleep(0.005)
        assert not self._open
        return self.served

    @property
    def paid(self) -> list[Served]:
        """The requests that cost money, in order of their end."""
        return [one for one in self.served if one.paid]

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                while await self._request(reader, writer):
                    pass
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                connections.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection can carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        wire = _Wire(reader, writer)
        if head[0].startswith("GET "):
            wire.reply(200, {"object": "list", "data": [{"id": name} for name in self.models]})
            return True
        assert f"{PATH} " in head[0], head[0]
        self._calls += 1
        ask = _ask(self._calls, json.loads(data), headers, head[0].split()[1])
        fault = self.faults(ask)
        if self.key is not None and ask.key != self.key:
            fault = UNAUTHORIZED
        elif self.models and ask.body["model"] not in self.models:
            fault = UNKNOWN_MODEL
        began_s = time.monotonic()
        self._open += 1
        self.peak = max(self.peak, self._open)
        sent: list[str] = []
        # Until it is known better: the client hung up, or the server was stopped.
        outcome = "dropped"
        try:
            outcome = await self._answer(wire, ask, fault, sent)
        finally:
            self.served.append(
                Served(
                    ask=ask,
                    outcome=outcome,
                    content="".join(sent),
                    began_s=began_s,
                    ended_s=time.monotonic(),
                )
            )
            self._open -= 1
        return outcome in PAID or outcome == "status"

    async def _answer(self, wire: _Wire, ask: Ask, fault: Fault | None, sent: list[str]) -> str:
        kind = fault.kind if fault is not None else None
        if fault is not None and kind == "status":
            wire.refuse(fault)
            return kind
        if kind == "reset":
            wire.reset()
            return kind
        said = self.skill(ask)
        reply = said if isinstance(said, Reply) else Reply(content=said)
        content = reply.content.removeprefix(ask.partial)
        await asyncio.sleep(self.pace.first_token_s)
        wire.begin()
        rest = {"cut": content[: len(content) // 2], "all_thought": ""}.get(kind or "", content)
        # A model that is continued has done its thinking.
        reasoning = "" if ask.partial and not self.think_on else reply.reasoning
        pieces = list(_pieces(reasoning, rest, self.pace.pieces))
        whole = len(pieces) if kind in PAID or kind is None else len(pieces) // 2
        for name, text in pieces[:whole]:
            await wire.event(_chunk({name if name == "content" else reply.reasoning_name: text}))
            if name == "content":
                sent.append(text)
            await asyncio.sleep(len(text) / CHARS_PER_TOKEN / self.pace.tokens_per_s)
        if kind == "not_utf8":
            await wire.raw(b'data: {"choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n')
        elif kind == "stalled":
            await wire.until_dropped()
            return kind
        elif kind == "keep_alive":
            await wire.comment_until_dropped()
        elif kind == "garbage":
            await wire.raw(b"data: {no json\n\n")
        elif kind == "error_event":
            await wire.event({"error": {"message": "the engine died"}})
        elif kind == "interrupted":
            await wire.event(_chunk({}, "insufficient_system_resource"))
        if kind is not None and kind not in PAID:
            wire.reset()
            return kind
        await wire.event(_chunk({}, "stop" if kind in (None, "not_utf8") else "length"))
        if reply.counted:
            await wire.event(_usage(ask, pieces))
        await wire.end()
        return kind or "answered"


@dataclass(frozen=True, slots=True)
class _Wire:
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

    async def until_dropped(self) -> None:
        await self.reader.read(1)

    async def comment_until_dropped(self) -> None:
        dropped = asyncio.ensure_future(self.reader.read(1))
        while not (await asyncio.wait({dropped}, timeout=0.05))[0]:
            await self.raw(b": keep-alive\n\n")


def _ask(call: int, body: dict[str, Any], headers: dict[str, str], path: str) -> Ask:
    tag = headers.get("x-client-request-id", "").split("-")
    return Ask(
        call=call,
        attempt=int(tag[1]) if len(tag) > 1 and tag[1].isdigit() else call,
        body=body,
        key=headers.get("authorization", "").removeprefix("Bearer "),
        path=path,
    )


def _pieces(reasoning: str, content: str, count: int) -> Iterator[tuple[str, str]]:
    size = max(1, -(-(len(reasoning) + len(content)) // count))
    for name, text in (("reasoning_content", reasoning), ("content", content)):
        for start in range(0, len(text), size):
            yield name, text[start : start + size]


def _chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def _usage(ask: Ask, pieces: list[tuple[str, str]]) -> dict[str, Any]:
    def tokens(chars: int) -> int:
        return -(-chars // CHARS_PER_TOKEN)

    thought = tokens(sum(len(text) for name, text in pieces if name == "reasoning_content"))
    written = tokens(sum(len(text) for name, text in pieces if name == "content"))
    asked = tokens(sum(len(message["content"]) for message in ask.body["messages"]))
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": thought + written,
        "total_tokens": asked + thought + written,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "choices": []} | {
        "usage": usage
    }
