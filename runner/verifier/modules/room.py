"""Whether a module's one size fits into this machine's memory, without a GPU.

Owns the figure. A spec with axes offers smaller sizes; a module has only the one, so what does not
fit is refused before a byte is made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.errors import RunnerError
from runner.problem import Problem
from runner.verifier.process import ADDRESS_SPACE_BYTES

if TYPE_CHECKING:
    from runner.verifier.inputs import Case

# A worker maps this much before any work, and holds what it computes beside its arena.
_WORKER_BYTES = 2 << 30


def refuse_what_does_not_fit(problem: Problem, cases: Sequence[Case]) -> None:
    """Raise RunnerError with the figures where checking one call takes more than there is."""
    # Imported here: the oracle imports the values of modules.
    from runner.verifier.oracle import arena_bytes

    wide = arena_bytes(problem, cases, wide=True)
    narrow = arena_bytes(problem, cases, wide=False)
    # Arenas are twice what is due; the reference computes in float64 in one of them.
    need_bytes = 3 * wide + 3 * narrow
    have_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need_bytes > have_bytes:
        raise RunnerError(
            f"{problem.name} does not fit: checking it takes about {need_bytes / 1e9:.1f} GB; "
            f"this machine has {have_bytes / 1e9:.1f}"
        )
    one_bytes = 3 * wide + _WORKER_BYTES
    if one_bytes > ADDRESS_SPACE_BYTES:
        raise RunnerError(
            f"{problem.name} does not fit: its reference takes about {one_bytes / 1e9:.1f} GB; "
            f"a worker without a GPU has {ADDRESS_SPACE_BYTES / 1e9:.1f}"
        )
