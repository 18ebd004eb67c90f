"""How much memory and how many threads a worker holds on the host, from /proc. Torch-free."""

from __future__ import annotations

import contextlib
import os

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """The processes that `pid` started and that are still there."""
    with contextlib.suppress(OSError, ValueError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def held_by(pid: int) -> tuple[int, int]:
    """(resident bytes, threads) of `pid` and all its descendants; (0, 0) when they are gone.

    Shared pages count in each process that has them.
    """
    held_bytes, threads = 0, 0
    queue = [pid]
    while queue:
        current = queue.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{current}/statm", encoding="ascii") as file:
                held_bytes += int(file.read().split()[1]) * _PAGE_BYTES
            threads += len(os.listdir(f"/proc/{current}/task"))
        queue += children_of(current)
    return held_bytes, threads
