"""Things that go wrong on purpose: one-shot faults that a test puts in and the stand-in meets.

Owns the list of what is still to go wrong. Each fault is used once, in the order put in, and
composes with the others; nothing here acts by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "lose",
    "duplicate",
    "hold",
    "conclude",
    "lose_artifact",
    "alter_artifact",
    "grow_artifact",
    "expire_artifact",
    "answer",
    "land",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    kind: Kind
    key: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal that GitHub gives for no fault of the caller."""

    status: int
    message: str
    headers: Mapping[str, str]


class Faults:
    """What is still to go wrong. Events are named as `workflow_run.completed`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Fault] = []
        self.list_delay_s = 0.0

    def lose(self, event: str) -> None:
        """The next delivery of `event` never arrives."""
        self._put("lose", event)

    def deliver_twice(self, event: str) -> None:
        """The next delivery of `event` arrives twice, under one delivery id."""
        self._put("duplicate", event)

    def deliver_late(self, event: str) -> None:
        """The next delivery of `event` arrives after the one that follows it."""
        self._put("hold", event)

    def end_next_run(self, conclusion: Literal["cancelled", "failure", "timed_out"]) -> None:
        """The next run ends so without its command being started."""
        self._put("conclude", "", conclusion)

    def lose_artifact(self) -> None:
        """The next successful run leaves no artifact."""
        self._put("lose_artifact", "")

    def alter_artifact(self, change: Callable[[bytes], bytes]) -> None:
        """The next artifact's zip file is what `change` makes of it."""
        self._put("alter_artifact", "", change)

    def grow_artifact(self, zeros_bytes: int, claimed_bytes: int | None = None) -> None:
        """So many zeros follow the next artifact's zip; the API gives its size as claimed."""
        self._put("grow_artifact", "", (zeros_bytes, claimed_bytes))

    def expire_artifact(self, *, listed: bool) -> None:
        """The next artifact has expired: its download is gone, and the list says so if `listed`."""
        self._put("expire_artifact", "", listed)

    def answer(
        self,
        method: str,
        template: str,
        status: int,
        message: str = "Server Error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The next such request is answered with `status` and nothing is done."""
        self._put("answer", f"{method} {template}", Answer(status, message, headers or {}))

    def lose_answer(self, method: str, template: str) -> None:
        """The next such request is carried out, and answered with 502 all the same."""
        self._put("land", f"{method} {template}")

    def list_late(self, delay_s: float) -> None:
        """From now on whatever is made is missing from every list for the first `delay_s`."""
        self.list_delay_s = delay_s

    def forget(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._pending.clear()
        self.list_delay_s = 0.0

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
