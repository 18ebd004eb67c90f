"""SIGTERM and Ctrl-C: the run ends and delivers the best so far.

Owns the signal handlers while a run lasts. Decides nothing about what is delivered.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from runner.loop import Loop


class Stops:
    """Hands a signal to the loop, also one that came before there was a loop."""

    def __init__(self) -> None:
        self._loop: Loop | None = None
        self.reason: str | None = None

    def __call__(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self._loop is not None:
            self._loop.stop(reason)

    def watch(self, loop: Loop) -> None:
        self._loop = loop
        if self.reason is not None:
            loop.stop(self.reason)


@contextmanager
def stop_signals() -> Iterator[Stops]:
    """SIGTERM and SIGINT ask for the best so far while this lasts."""
    stops = Stops()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stops, f"stopped by {number.name}")
    try:
        yield stops
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
