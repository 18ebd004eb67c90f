"""GitHub's limits on creating content, kept by us so that they are never met.

Owns the count of one installation's creations over the last minute and the last hour. Counts within
one process: with several replicas the limits are divided among them by the settings.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_MINUTE_S, _HOUR_S = 60.0, 3600.0


class CreationPace:
    """`take` waits until one more creation is within both limits."""

    def __init__(
        self,
        *,
        per_minute: int,
        per_hour: int,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = ((per_minute, _MINUTE_S), (per_hour, _HOUR_S))
        self._now_s = now_s
        self._sleep = sleep
        self._lock = threading.Lock()
        # The times, past and already promised, of as many creations as the longer limit looks at.
        self._taken_s: deque[float] = deque(maxlen=max(per_minute, per_hour))

    def take(self) -> None:
        """Reserve the next free moment, and wait for it."""
        with self._lock:
            now_s = self._now_s()
            at_s = max([now_s, *self._free_s()])
            self._taken_s.append(at_s)
        # Outside the lock: others reserve the moments after this one meanwhile.
        if at_s > now_s:
            self._sleep(at_s - now_s)

    def _free_s(self) -> list[float]:
        """When each limit has room again."""
        taken = self._taken_s
        return [taken[-count] + span_s for count, span_s in self._limits if len(taken) >= count]
