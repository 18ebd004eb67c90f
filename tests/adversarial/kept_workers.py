"""Workers that are used for several kernels, to make a test of the whole corpus affordable.

Owns the shelf on which a worker waits instead of ending. A verdict's own rule, one process for each
candidate, costs two seconds a kernel; kernels that leave their process as it is can share one.
"""

from __future__ import annotations

from typing import Any

from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerProcess

_ARENA_BYTES = 64 << 20  # a court asks for less for these small problems
_SHARED_ROLES = ("candidate", "compiler")


class KeptWorkers:
    """Stands for `WorkerProcess` where a court starts one. `keep` False: end workers as usual."""

    def __init__(self) -> None:
        self.keep = True
        self._shelf: dict[str, list[_Kept]] = {}

    def __call__(self, start: Start) -> Any:
        if start.role not in _SHARED_ROLES:
            return WorkerProcess(start)
        given = start.arenas[0]
        if given.size_bytes > _ARENA_BYTES:
            return WorkerProcess(start)
        for arena in start.arenas:
            arena.close()
        waiting = self._shelf.setdefault(start.role, [])
        while waiting:
            kept = waiting.pop()
            if kept.alive():
                return kept
            kept.end()
        roomy = Start(
            role=start.role,
            sandbox=start.sandbox,
            arenas=(Arena.create(_ARENA_BYTES),),
            cpu_s=3600.0,
        )
        return _Kept(WorkerProcess(roomy), self)

    def put_back(self, kept: _Kept) -> None:
        """Take a worker that a court is done with."""
        if self.keep and kept.alive():
            self._shelf.setdefault(kept.role, []).append(kept)
        else:
            kept.end()

    def close(self) -> None:
        """End every worker on the shelf."""
        for waiting in self._shelf.values():
            while waiting:
                waiting.pop().end()


class _Kept:
    """A worker process that survives its court, unless it died or its kernel may have ruined it."""

    def __init__(self, process: WorkerProcess, shelf: KeptWorkers) -> None:
        self._process = process
        self._shelf = shelf

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)

    def kill(self) -> None:
        if not self._shelf.keep:
            self._process.kill()

    def close(self) -> None:
        self._shelf.put_back(self)

    def end(self) -> None:
        self._process.close()
