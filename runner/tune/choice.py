"""From what the configurations cost and how long they took to the ones that are frozen. Pure.

Owns what is not worth timing, when the default stays, and when a workload gets its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.tune.halving import Standings

# Bytes a thread, stores and loads together: a few registers' worth may hide behind other work,
# more than this is traffic in every iteration.
HEAVY_SPILL_BYTES = 256
# A workload gets a configuration of its own where that saves more than this share of its time.
PAYS = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """One arm for all lanes, and for some lanes another. `gain`: arm 0's time over the picked."""

    arm: int
    by_lane: Mapping[int, int]
    gain: float | None


def heavy_spillers(spill_bytes: Mapping[int, int]) -> set[int]:
    """The arms that spill heavily, when another does not; never arm 0, which others are held to."""
    heavy = {arm for arm, spilled in spill_bytes.items() if spilled > HEAVY_SPILL_BYTES}
    return set() if len(heavy) == len(spill_bytes) else heavy - {0}


def pick(standings: Standings, arm: int) -> Picked:
    """`arm` for all lanes, or arm 0 where `arm` is not faster than it beyond doubt."""
    default, found = standings.overall(0), standings.overall(arm)
    if default is not None and found is not None and not default.worse_than(found):
        arm, found = 0, default
    gain = default.value_ms / found.value_ms if default is not None and found is not None else None
    by_lane = {lane: _winner(standings, arm, lane) for lane in range(standings.lanes)}
    own = {lane: winner for lane, winner in by_lane.items() if winner != arm}
    return Picked(arm=arm, by_lane=own if standings.lanes > 1 else {}, gain=gain)


def _winner(standings: Standings, arm: int, lane: int) -> int:
    """The arm that pays in this lane, or `arm`."""
    ours = standings.of(arm, lane)
    rows = {other: standings.of(other, lane) for other in standings.finalists}
    known = {other: one for other, one in rows.items() if one is not None}
    if ours is None or not known:
        return arm
    best = min(known, key=lambda other: known[other].value_ms)
    pays = ours.value_ms > (1 + PAYS) * known[best].value_ms and ours.worse_than(known[best])
    return best if pays else arm
