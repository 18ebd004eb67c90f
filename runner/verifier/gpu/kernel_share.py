"""Whose kernels the GPU ran during a call, from CUPTI's rows. Torch-free; judges, runs nothing.

Owns which library kernels count as making room or moving data. What the dispatcher cannot see (a
replayed graph, a library called around PyTorch) shows here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.contract import EvaluationStatus
from runner.verifier.finding import Finding, first_line

# Fills, copies, casts and ranges: the same operations that `integrity` lets pass by name.
_MOVES = re.compile(
    r"Memcpy|Memset|FillFunctor|direct_copy_kernel|copy_device_to_device|arange|float16_copy"
    r"|bfloat16_copy|LoadWithCast|fill_kernel|zero_kernel|conj_copy|index_range"
)
# Of kernel time. A kernel with less may be there for show: `second_look` finds out. One with more
# costs at least what the library's work does, and hides nothing that way.
MOSTLY_OWN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What ran during one call: GPU microseconds by whose kernel it was.

    `elsewhere`: something ran on another stream than the caller's.
    """

    own_us: float
    moves_us: float
    other_us: float
    others: tuple[str, ...]
    elsewhere: bool

    @property
    def own_share(self) -> float:
        """Of all kernel time, copies and fills included; 0 where nothing ran."""
        total = self.own_us + self.moves_us + self.other_us
        return self.own_us / total if total else 0.0


def read_profile(reply: Mapping[str, Any], own: Collection[str]) -> Ran:
    """Sort a worker's CUPTI rows; `own` are the names of the kernels that the candidate launched.

    Malformed rows count as somebody else's kernel.
    """
    sums = {"own": 0.0, "moves": 0.0, "other": 0.0}
    others: dict[str, None] = {}
    streams: set[Any] = set()
    rows = reply.get("kernels")
    for row in rows if isinstance(rows, list) else ():
        name = str(row.get("name"))[:200] if isinstance(row, dict) else "?"
        us = row.get("us") if isinstance(row, dict) else None
        time_us = float(us) if isinstance(us, int | float) else 0.0
        streams.add(row.get("stream") if isinstance(row, dict) else None)
        if name in own:
            sums["own"] += time_us
        elif _MOVES.search(name):
            sums["moves"] += time_us
        else:
            sums["other"] += time_us
            others[name] = None
    return Ran(
        own_us=sums["own"],
        moves_us=sums["moves"],
        other_us=sums["other"],
        others=tuple(others),
        elsewhere=bool(streams - {reply.get("stream")}),
    )


def judge_profile(ran: Ran, policy: Literal["triton-only", "mixed"]) -> Finding | None:
    """The way in which the candidate cheats, or None."""
    if ran.own_us == 0:
        return _cheated(
            "none of its Triton kernels took any GPU time",
            "A launch was counted, but CUPTI saw no kernel of that name on the GPU.",
        )
    if ran.elsewhere:
        return _cheated(
            "it works on another stream than the caller's",
            "Launch everything on the current stream: work on another one is not waited for by "
            "whoever uses the result, and not seen by a clock on the current one.",
        )
    if policy == "triton-only" and ran.others:
        names = "; ".join(first_line(name, 120) for name in ran.others[:4])
        return _cheated(
            f"the GPU ran kernels that are not its own: {names}",
            "The policy is triton-only: all arithmetic must be in the candidate's own Triton "
            "kernels; fills, copies and casts are allowed.",
        )
    return None


def _cheated(summary: str, detail: str) -> Finding:
    return Finding(
        status=EvaluationStatus.CHEATED, stage="integrity", summary=summary, detail=detail
    )
