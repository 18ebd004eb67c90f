"""Workers that are used for several kernels, to make a test of the whole corpus affordable.

Owns the shelf on which a worker waits instead of ending. A verdict's own rule, one process for each
candidate, costs two seconds a kernel, five on a GPU; kernels that leave their process as it is can
share one. A worker in which anything was raised is not used again: a GPU's context may be lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerProcess

_ARENA_BYTES = 64 << 20  # a court asks for less for these small problems
_SHARED_ROLES = ("candidate", "compiler", "cuda-candidate")


class KeptWorkers:
    """Stands for `WorkerProcess` where a court starts one. `keep` False: end workers as usual."""

    def __init__(self) -> None:
        self.keep = True
        self._shelf: dict[str, list[_Kept]] = {}

    def __call__(self, start: Start) -> Any:
        if start.role not in _SHARED_ROLES:
            return WorkerProcess(start)
        if start.owned:
            if start.arenas[0].size_bytes > _ARENA_BYTES:
                return WorkerProcess(start)
            for arena in start.arenas:
                arena.close()
        # Where the arena is the verifier's, only that verifier's workers know it.
        place = start.role if start.owned else f"{start.role} {id(start.arenas[0])}"
        waiting = self._shelf.setdefault(place, [])
        while waiting:
            kept = waiting.pop()
            if kept.alive():
                return kept
            kept.end()
        arenas = (Arena.create(_ARENA_BYTES),) if start.owned else start.arenas
        lasting = replace(start, arenas=arenas, cpu_s=3600.0)
        return _Kept(WorkerProcess(lasting), self, place)

    def put_back(self, kept: _Kept) -> None:
        """Take a worker that a court is done with."""
        if self.keep and kept.healthy and kept.alive():
            self._shelf.setdefault(kept.place, []).append(kept)
        else:
            kept.end()

    def close(self) -> None:
        """End every worker on the shelf."""
        for waiting in self._shelf.values():
            while waiting:
                waiting.pop().end()


class _Kept:
    """A worker process that survives its court, unless it died or its kernel may have ruined it."""

    def __init__(self, process: WorkerProcess, shelf: KeptWorkers, place: str) -> None:
        self._process = process
        self._shelf = shelf
        self.place = place
        self.healthy = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)

    def ask(self, job: dict[str, Any], deadline: float) -> dict[str, Any]:
        healthy, self.healthy = self.healthy, False
        reply = self._process.ask(job, deadline)
        self.healthy = healthy and reply.get("ok") is True
        return reply

    def kill(self) -> None:
        if not self._shelf.keep:
            self._process.kill()

    def close(self) -> None:
        self._shelf.put_back(self)

    def end(self) -> None:
        self._process.close()
