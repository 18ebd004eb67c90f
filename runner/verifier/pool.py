"""Warm workers: one spare of each role, started before anybody asks for it.

Owns when workers start and that all of them end. Loading torch and Triton takes 1.5 to 2.5 s, more
than a verdict on a small kernel; a spare pays it while the model thinks. A worker that was taken
is never put back.
"""

from __future__ import annotations

import threading

from runner.errors import RunnerError
from runner.verifier.arena import Arena
from runner.verifier.process import Role, WorkerProcess
from runner.verifier.sandbox import Sandbox


class WorkerPool:
    """Spares by role, each with an arena of its own. `close` may come from another thread."""

    def __init__(self, sandbox: Sandbox, arena_bytes: dict[Role, int], cpu_s: float) -> None:
        self._sandbox = sandbox
        self._arena_bytes = arena_bytes
        self._cpu_s = cpu_s
        self._spares: dict[Role, WorkerProcess] = {}
        self._taken: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self.closed = False

    def restock(self, *roles: Role) -> None:
        """Begin to start a spare of each role that has none; nothing once closed."""
        with self._lock:
            for role in roles:
                if role not in self._spares and not self.closed:
                    self._spares[role] = self._start(role)

    def take(self, role: Role) -> WorkerProcess:
        """The spare of `role`, or a new worker; the caller retires it. RunnerError once closed."""
        with self._lock:
            if self.closed:
                raise RunnerError("the verifier is closed")
            worker = self._spares.pop(role, None)
            if worker is not None and not worker.alive():
                _end(worker)  # it was killed while it waited, for example for memory
                worker = None
            worker = worker or self._start(role)
            self._taken.add(worker)
            return worker

    def retire(self, worker: WorkerProcess) -> None:
        """End a worker that was taken, and give its arena back."""
        with self._lock:
            self._taken.discard(worker)
            _end(worker)

    def close(self) -> None:
        """End all spares, and kill what was taken: whoever uses it sees it die and retires it."""
        with self._lock:
            self.closed = True
            for worker in self._taken:
                worker.kill()
            while self._spares:
                _end(self._spares.popitem()[1])

    def _start(self, role: Role) -> WorkerProcess:
        arena = Arena.create(self._arena_bytes[role])
        try:
            return WorkerProcess(role, self._sandbox, arena, cpu_s=self._cpu_s)
        except BaseException:
            arena.close()
            raise


def _end(worker: WorkerProcess) -> None:
    worker.close()
    worker.arena.close()
