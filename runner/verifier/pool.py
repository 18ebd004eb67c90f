"""Warm workers: one spare of each role, started before anybody asks for it.

Owns when workers start. Loading torch and Triton takes 1.5 to 2.5 s, more than a verdict on a small
kernel; a spare pays it while the model thinks. A worker that was taken is never put back.
"""

from __future__ import annotations

from runner.verifier.arena import Arena
from runner.verifier.process import Role, WorkerProcess
from runner.verifier.sandbox import Sandbox


class WorkerPool:
    """Spares by role. Each comes with an arena of its own; `retire` ends both."""

    def __init__(self, sandbox: Sandbox, arena_bytes: dict[Role, int], cpu_s: float) -> None:
        self._sandbox = sandbox
        self._arena_bytes = arena_bytes
        self._cpu_s = cpu_s
        self._spares: dict[Role, WorkerProcess] = {}

    def restock(self, *roles: Role) -> None:
        """Begin to start a spare of each role that has none. Returns at once."""
        for role in roles:
            if role not in self._spares:
                self._spares[role] = self._start(role)

    def take(self, role: Role) -> WorkerProcess:
        """The spare of `role`, or a new worker; the caller retires it."""
        spare = self._spares.pop(role, None)
        if spare is not None and not spare.alive():
            retire(spare)  # it was killed while it waited, for example for memory
            spare = None
        return spare or self._start(role)

    def close(self) -> None:
        """End all spares."""
        while self._spares:
            retire(self._spares.popitem()[1])

    def _start(self, role: Role) -> WorkerProcess:
        arena = Arena.create(self._arena_bytes[role])
        try:
            return WorkerProcess(role, self._sandbox, arena, cpu_s=self._cpu_s)
        except BaseException:
            arena.close()
            raise


def retire(worker: WorkerProcess) -> None:
    """End a worker and give its arena back."""
    worker.close()
    worker.arena.close()
