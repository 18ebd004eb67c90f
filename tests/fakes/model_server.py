"""A reasoning model behind an OpenAI-compatible endpoint: real HTTP and SSE on loopback.

Owns the pace and the record of what was served. `tests.fakes.model_script` says what to answer and
what goes wrong, `tests.fakes.model_wire` how it is said.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

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
from tests.fakes.model_wire import (
    CHARS_PER_TOKEN,
    Response,
    ask_of,
    chunk,
    split,
    usage,
)

PATH = "/chat/completions"


@dataclass
class ModelServer:
    """The endpoint. Use as a context manager; `served` holds every request, in order of its end."""

    skill: Skill
    faults: Faults = no_faults
    pace: Pace | Callable[[Ask], Pace] = field(default_factory=Pace)
    key: str | None = None  # any will do when None
    models: tuple[str, ...] = ()  # any will do when empty
    think_on: bool = False  # also where it continues an answer
    peak: int = 0  # most requests that were under way at once
    port: int = 0

    def __enter__(self) -> ModelServer:
        self._calls = self._open = 0
        self._ended: list[Served] = []
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

    @property
    def served(self) -> list[Served]:
        """Waits until nothing is under way: the end of an answer is noted after it was sent, and a
        client that hung up is seen late."""
        deadline_s = time.monotonic() + 5
        while self._open and time.monotonic() < deadline_s:
            time.sleep(0.005)
        assert not self._open
        return self._ended

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
        wire = Response(reader, writer)
        if head[0].startswith("GET "):
            wire.reply(200, {"object": "list", "data": [{"id": name} for name in self.models]})
            return True
        assert f"{PATH} " in head[0], head[0]
        self._calls += 1
        ask = ask_of(self._calls, json.loads(data), headers, head[0].split()[1])
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
            self._ended.append(
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

    async def _answer(self, wire: Response, ask: Ask, fault: Fault | None, sent: list[str]) -> str:
        kind = None if fault is None else fault.kind
        if fault is not None and kind == "status":
            wire.refuse(fault)
            return kind
        if kind == "reset":
            wire.reset()
            return kind
        said = self.skill(ask)
        reply = said if isinstance(said, Reply) else Reply(said)
        pace = self.pace(ask) if callable(self.pace) else self.pace
        pieces = self._pieces(reply, ask, kind, pace)
        await asyncio.sleep(pace.first_token_s)
        wire.begin()
        whole = len(pieces) if kind in PAID or kind is None else len(pieces) // 2
        for name, text in pieces[:whole]:
            await wire.event(chunk({name: text}))
            if name == "content":
                sent.append(text)
            await asyncio.sleep(len(text) / CHARS_PER_TOKEN / pace.tokens_per_s)
        if kind is not None:
            await wire.spoil(kind)
        if kind is not None and kind not in PAID:
            wire.reset()
            return kind
        await wire.event(chunk({}, "length" if kind in ("cut", "all_thought") else "stop"))
        if reply.counted:
            await wire.event(usage(ask, pieces))
        await wire.end()
        return kind or "answered"

    def _pieces(
        self, reply: Reply, ask: Ask, kind: str | None, pace: Pace
    ) -> list[tuple[str, str]]:
        """What is sent if nothing breaks: the whole reply, or its rest, as far as the limit."""
        content = reply.content.removeprefix(ask.partial)
        if kind == "cut":
            content = content[: len(content) // 2]
        elif kind == "all_thought":
            content = ""
        # A model that is continued has done its thinking.
        reasoning = "" if ask.partial and not self.think_on else reply.reasoning
        return split(reply.reasoning_name, reasoning, content, pace.pieces)
