"""Warm workers: spares of each role, started before anybody asks for it.

Owns when workers start and that all of them end. Loading torch and Triton takes 1.5 to 2.5 s, more
than a verdict on a small kernel; a spare pays it while the model thinks. A worker that was taken
is never put back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from runner.errors import RunnerError
from runner.verifier.process import Role, WorkerProcess


class WorkerPool:
    """Up to `spares` waiting workers of each role. `close` may come from another thread."""

    def __init__(self, start: Callable[[Role], WorkerProcess], *, spares: int = 1) -> None:
        self._start = start
        self._count = spares
        self._spares: dict[Role, list[WorkerProcess]] = {}
        self._taken: set[WorkerProcess] = set()
        self._dismissed: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self.closed = False

    def restock(self, *roles: Role) -> None:
        """Begin to start the spares of each role that are missing; nothing once closed."""
        with self._lock:
            for role in roles:
                waiting = self._spares.setdefault(role, [])
                while len(waiting) < self._count and not self.closed:
                    waiting.append(self._start(role))

    def take(self, role: Role) -> WorkerProcess:
        """A spare of `role`, or a new worker; the caller retires it. RunnerError once closed."""
        with self._lock:
            if self.closed:
                raise RunnerError("the verifier is closed")
            self._bury()
            waiting = self._spares.setdefault(role, [])
            worker: WorkerProcess | None = None
            while waiting and worker is None:
                worker = waiting.pop(0)
                if not worker.alive():
                    worker.close()  # it was killed while it waited, for example for memory
                    worker = None
            worker = worker or self._start(role)
            self._taken.add(worker)
            return worker

    def retire(self, worker: WorkerProcess) -> None:
        """End a worker that was taken."""
        with self._lock:
            self._taken.discard(worker)
            worker.close()

    def dismiss(self, worker: WorkerProcess) -> None:
        """Kill a worker that was taken. That it has gone is waited for by the next `take`,
        `settle` or `close`: tearing down a GPU's context takes longer than some calls on it."""
        with self._lock:
            self._taken.discard(worker)
            worker.kill()
            self._dismissed.append(worker)
            if self.closed:
                self._bury()

    def settle(self) -> None:
        """Wait until all that were dismissed have gone, with the memory that they held."""
        with self._lock:
            self._bury()

    def kill_taken(self, *roles: Role) -> None:
        """Kill the workers of these roles that are in use; their users see them die."""
        with self._lock:
            for worker in self._taken:
                if worker.role in roles:
                    worker.kill()

    def close(self) -> None:
        """End all spares, and kill what was taken: whoever uses it sees it die and retires it."""
        with self._lock:
            self.closed = True
            self._bury()
            for worker in self._taken:
                worker.kill()
            for waiting in self._spares.values():
                while waiting:
                    waiting.pop().close()

    def _bury(self) -> None:
        while self._dismissed:
            self._dismissed.pop().close()
