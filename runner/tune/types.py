"""What tuning hands back.

Owns the type. Does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.contract import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The source with the winning configuration frozen into it, and how it was found.

    `tried` configurations were compiled; `dropped` of them were never timed; `timed` were.
    """

    candidate: Candidate
    config: dict[str, object]
    tried: int
    dropped: int
    timed: int
    note: str
