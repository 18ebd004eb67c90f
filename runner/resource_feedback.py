"""From compiled resources to suggestions, where nothing was timed.

Owns the advice for a machine without a GPU: it follows the order by which such kernels are
compared (`runner.verifier.resources`). Claims nothing about time.
"""

from __future__ import annotations

from collections import Counter

from runner.contract import Evaluation
from runner.verifier.resources import residency

# ptxas' own number for matrix products that wait for each other (NVIDIA's forums name it C7515).
_SERIALISED = "C7515"
_ROOMY = 0.5


def static_suggestions(evaluation: Evaluation) -> tuple[str, ...]:
    """What compiled resources alone suggest, the first to be compared first."""
    found = (_spills(evaluation), _launches(evaluation), _serialised(evaluation))
    rows = [row for row in (*found, _residency(evaluation)) if row]
    return tuple(rows) or (
        "Nothing spills, one kernel does it all, and registers and shared memory leave room: what "
        "is left is the work for each byte. Read every byte once, move what does not change out "
        "of the loop, and mask only the tiles that need it.",
    )


def _spills(evaluation: Evaluation) -> str:
    worst = max(evaluation.resources, key=lambda row: row.spill_bytes)
    if worst.spill_bytes == 0:
        return ""
    return (
        f"{worst.spill_bytes} bytes a thread are spilled (on {worst.workload}): use smaller tiles, "
        f"or spread the tile over more warps (num_warps is {worst.num_warps})."
    )


def _launches(evaluation: Evaluation) -> str:
    counts = Counter(str(row.workload) for row in evaluation.resources)
    workload, count = counts.most_common(1)[0]
    if count < 2:
        return ""
    return (
        f"A call launches {count} different kernels (on {workload}), and each is a pass over "
        "memory: fuse them where the mathematics allows it."
    )


def _serialised(evaluation: Evaluation) -> str:
    if _SERIALISED not in evaluation.detail:
        return ""
    return (
        "The assembler had to run the matrix products one after another, because other "
        "instructions touch their accumulator in between: scale, mask and convert the operands "
        "or the finished sum, and leave the accumulator to `tl.dot` within the loop where the "
        "formula allows it."
    )


def _residency(evaluation: Evaluation) -> str:
    held = [(row, where) for row in evaluation.resources if (where := residency(row)) is not None]
    if not held:
        return ""
    row, where = min(held, key=lambda pair: pair[1].share)
    if where.share >= _ROOMY or where.limiter is None or where.limiter not in _MORE_ROOM:
        return ""
    return (
        f"The limit of {where.limiter} lets only {where.share:.0%} of the warps be resident (on "
        f"{row.workload}): {row.registers} registers a thread, {row.shared_bytes} bytes of shared "
        f"memory a block, {row.num_warps} warps. {_MORE_ROOM[where.limiter]} That helps a kernel "
        "that waits for memory; one that lives in `tl.dot` needs its large tiles more."
    )


# Where the limit is the number of warps, there is no room to gain.
_MORE_ROOM = {
    "registers": "Make the tile smaller, or keep fewer values alive at once.",
    "shared memory": "Make the tile smaller, or use fewer pipeline stages.",
    "blocks": "Give each program more warps and a larger tile.",
}
