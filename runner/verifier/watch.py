"""How much memory and how many threads a worker holds on the host, from /proc. Torch-free."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """The processes that `pid` started and that are still there."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
        with contextlib.suppress(OSError, ValueError):
            found += [int(word) for word in path.read_text(encoding="ascii").split()]
    return found


def held_by(pid: int) -> tuple[int, int]:
    """(resident bytes, threads) of `pid` and all its descendants; (0, 0) when they are gone.

    Shared pages count in each process that has them.
    """
    held_bytes, threads = 0, 0
    queue = [pid]
    while queue:
        process = Path(f"/proc/{queue.pop()}")
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = (process / "statm").read_text(encoding="ascii").split()[1]
            held_bytes += int(pages) * _PAGE_BYTES
            threads += sum(1 for _ in (process / "task").iterdir())
        queue += children_of(int(process.name))
    return held_bytes, threads
