"""How many runs may be started in a day, counted from the durable records. Pure.

Owns the rule: any 24 hours, not a calendar day, so that nobody waits for midnight somewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bot.config import CapsConfig
from bot.records import RunStarted

WINDOW_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CapReached:
    """Why nothing may be started now. From `free_at_s` (Unix time) on it may be."""

    whose: Literal["person", "repository"]
    limit: int
    free_at_s: float


def cap_reached(
    started: Iterable[RunStarted], caps: CapsConfig, sender: str, now_s: float
) -> CapReached | None:
    """The cap that forbids `sender` a run now, the one that lasts longest; or None."""
    recent = [run for run in started if run.at_s > now_s - WINDOW_S]
    own = [run for run in recent if run.sender.lower() == sender.lower()]
    reached = [
        _reached("person", caps.per_person_per_day, own),
        _reached("repository", caps.per_repository_per_day, recent),
    ]
    known = [cap for cap in reached if cap is not None]
    return max(known, key=lambda cap: cap.free_at_s, default=None)


def _reached(
    whose: Literal["person", "repository"], limit: int | None, runs: list[RunStarted]
) -> CapReached | None:
    if limit is None or len(runs) < limit:
        return None
    # Free again as soon as fewer than `limit` are left in the window.
    times_s = sorted(run.at_s for run in runs)
    return CapReached(whose=whose, limit=limit, free_at_s=times_s[len(runs) - limit] + WINDOW_S)
