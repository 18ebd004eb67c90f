"""Acknowledgements go first: background work waits a moment while deliveries are being kept.

GitHub gives a delivery ten seconds and never sends it again; a step can wait. Owns that order, and
that the wait is bounded: a service under constant fire still works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A delivery is kept within some 3 ms: this is room for a burst, and not felt in a step.
_LONGEST_WAIT_S = 0.1


class RightOfWay:
    """Counts the deliveries that are being kept."""

    def __init__(self, longest_wait_s: float = _LONGEST_WAIT_S) -> None:
        self._longest_wait_s = longest_wait_s
        self._under_way = 0
        self._changed = threading.Condition()
        self._turnstile = threading.Lock()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Around the keeping of one delivery, its wait for a thread included."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                if not self._under_way:
                    self._changed.notify_all()

    def give_way(self) -> float:
        """Wait until no delivery is being kept, but not for long; how long it was, in seconds.

        One at a time: a gap between two deliveries lets one step through, not all of them.
        """
        began_s = time.monotonic()
        with self._turnstile, self._changed:
            self._changed.wait_for(lambda: not self._under_way, timeout=self._longest_wait_s)
        return time.monotonic() - began_s
