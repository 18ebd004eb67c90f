"""How much memory a worker and its descendants hold on the host, from /proc. Torch-free."""

from __future__ import annotations

import contextlib
import os

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Resident memory of `pid` and all its descendants, shared pages counted in each; 0 if gone."""
    total = 0
    queue = [pid]
    while queue:
        current = queue.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{current}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * _PAGE_BYTES
            with open(f"/proc/{current}/task/{current}/children", encoding="ascii") as file:
                queue += [int(word) for word in file.read().split()]
    return total
