"""Things that go wrong on purpose: one-shot faults that a test puts in and the stand-in meets.

Owns the list of what is still to go wrong. Each fault is used once, in the order put in, and
composes with the others; nothing here acts by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["lose", "duplicate", "conclude", "lose_artifact", "alter_artifact", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    kind: Kind
    key: str
    value: Any = None


class Faults:
    """What is still to go wrong. Events are named as `workflow_run.completed`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Fault] = []

    def lose(self, event: str) -> None:
        """The next delivery of `event` never arrives."""
        self._put("lose", event)

    def deliver_twice(self, event: str) -> None:
        """The next delivery of `event` arrives twice, under one delivery id."""
        self._put("duplicate", event)

    def end_next_run(self, conclusion: Literal["cancelled", "failure", "timed_out"]) -> None:
        """The next run ends so without its command being started."""
        self._put("conclude", "", conclusion)

    def lose_artifact(self) -> None:
        """The next successful run leaves no artifact."""
        self._put("lose_artifact", "")

    def alter_artifact(self, change: Callable[[bytes], bytes]) -> None:
        """The next artifact's zip file is what `change` makes of it."""
        self._put("alter_artifact", "", change)

    def answer(self, method: str, template: str, status: int) -> None:
        """The next such request is answered with `status` and nothing is done."""
        self._put("answer", f"{method} {template}", status)

    def take(self, kind: Kind, key: str = "") -> _Fault | None:
        """The oldest pending fault of that kind, used up by this call."""
        with self._lock:
            for fault in self._pending:
                if fault.kind == kind and fault.key == key:
                    self._pending.remove(fault)
                    return fault
        return None

    def _put(self, kind: Kind, key: str, value: Any = None) -> None:
        with self._lock:
            self._pending.append(_Fault(kind=kind, key=key, value=value))
