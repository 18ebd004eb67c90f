"""Problems looked at side by side for `suites_report`: a process a thread, and one GPU's memory.

Owns who is looked at when, and the end of every process. Knows nothing of what a row says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.suites import SuiteProblem

LOOK = Path(__file__).with_name("suites_look.py")
Row = dict[str, Any]


class Room:
    """The GPU's memory, handed out to problems that are looked at side by side."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = self._free_bytes = max(0, total_bytes)
        self._changed = threading.Condition()

    @contextmanager
    def of(self, need_bytes: int) -> Iterator[None]:
        """As much of it; all of it where that is less."""
        need_bytes = min(need_bytes, self._total_bytes)
        with self._changed:
            self._changed.wait_for(lambda: need_bytes <= self._free_bytes)
            self._free_bytes -= need_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free_bytes += need_bytes
                self._changed.notify_all()


class Looker:
    """One process of `suites_look`."""

    def __init__(self, arguments: tuple[str, str, str, str]) -> None:
        command = [sys.executable, str(LOOK), *arguments]
        self._limit_s = float(arguments[2])
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: str) -> Row | None:
        """Its reply; None where it was ended for taking too long, or ended by itself."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # Its sandboxed workers end with it.
        timer = threading.Timer(self._limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            reply = process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        finally:
            timer.cancel()
        return json.loads(reply) if reply.endswith("\n") else None

    def end(self) -> int:
        """Its exit code; negative for the signal that ended it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait()


class Looking:
    """Threads that look at problems, each with a process of its own until `close`."""

    def __init__(self, start: Callable[[], Looker], room: Room) -> None:
        self._start = start
        self._room = room
        self._lookers: dict[int, Looker] = {}  # by thread

    def close(self) -> None:
        """End every process, when no thread looks any more."""
        while self._lookers:
            self._lookers.popitem()[1].end()

    def look(self, one: SuiteProblem) -> tuple[SuiteProblem, Row]:
        own = threading.get_ident()
        looker = self._lookers.get(own) or self._start()
        self._lookers[own] = looker
        reply = looker.ask(one.key)
        if reply is not None and "need_bytes" in reply:
            with self._room.of(reply["need_bytes"]):
                reply = looker.ask("go")
        if reply is not None:
            return one, reply["row"]
        del self._lookers[own]
        code = looker.end()
        verdict = "time limit" if code == -9 else "failed"
        return one, {"verdict": verdict, "reason": f"its process ended with {code}"}
