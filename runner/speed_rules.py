"""The rules by which measured times and compiled resources become suggestions.

Each needs facts that were measured, and says nothing where they are absent or do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runner.speed_facts import WorkloadFacts
from runner.timing_text import ms_text

_LOW_OCCUPANCY = 0.25
# With one or two rounds of programs a nearly empty last round shows; with more it is lost in them.
_FEW_WAVES = 3
_EMPTY_WAVE = 0.4
# One warp's loads of 16 bytes for each thread are 512 bytes: a program that moves less than a few
# of them spends its time on being started.
_SMALL_PROGRAM_BYTES = 4096

Aim = Literal["smaller tiles", "larger tiles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One suggestion. `aim`: where it sends the tile's size, None if nowhere."""

    text: str
    aim: Aim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to a suggestion. `advise` gives None where its facts are absent or do not fit."""

    name: str
    advise: Callable[[WorkloadFacts], Advice | None]


def _waits_for_memory(facts: WorkloadFacts) -> bool:
    """Bound by memory, slow, and neither too short nor too narrow for that to say anything."""
    slow = facts.timing.bound == "memory" and facts.far_from_roofline
    return slow and not facts.launch_bound and not facts.grid_is_small


def _computes_slowly(facts: WorkloadFacts) -> bool:
    """Bound by arithmetic, slow, and neither too short nor too narrow for that to say anything."""
    slow = facts.timing.bound == "arithmetic" and facts.far_from_roofline
    return slow and not facts.launch_bound and not facts.grid_is_small


def _spills(facts: WorkloadFacts) -> Advice | None:
    worst = max(facts.kernels, key=lambda row: row.spill_bytes, default=None)
    if worst is None or worst.spill_bytes == 0 or facts.near_roofline:
        return None
    ways = ["use smaller tiles"]
    # A kernel without shared memory has no pipeline to shorten.
    if worst.num_stages > 1 and worst.shared_bytes:
        ways.append(f"fewer pipeline stages (num_stages is {worst.num_stages})")
    ways.append(f"or spread the tile over more warps (num_warps is {worst.num_warps})")
    return Advice(
        text=f"{worst.spill_bytes} bytes a thread are spilled from registers to local memory: "
        f"{', '.join(ways)}.",
        aim="smaller tiles",
    )


def _several_launches(facts: WorkloadFacts) -> Advice | None:
    count = facts.launches
    if count < 2 or facts.timing.bound != "memory" or facts.near_roofline:
        return None
    return Advice(
        text=f"The problem is bound by memory, and a call makes {count} launches: what one writes "
        "and the next reads again is traffic. Fuse them, so that intermediate values stay in "
        "registers."
    )


def _small_grid(facts: WorkloadFacts) -> Advice | None:
    if facts.roofline is None or not facts.grid_is_small or facts.near_roofline:
        return None
    return Advice(
        text=f"The largest grid has {facts.largest_grid} programs for "
        f"{facts.roofline.multiprocessors} multiprocessors, so that part of the GPU idles: split "
        "the work into more programs, along a reduction too where the other axes are short.",
        aim="smaller tiles",
    )


def _launch_bound(facts: WorkloadFacts) -> Advice | None:
    if not facts.launch_bound or facts.grid_is_small:
        return None
    fewer = "fewer launches and less" if facts.launches > 1 else "less"
    return Advice(
        text=f"{ms_text(facts.timing.median_ms)} is about what a launch takes by itself: only "
        f"{fewer} work before the first load can help at this size, not a quicker inner loop."
    )


def _last_wave(facts: WorkloadFacts) -> Advice | None:
    waves = facts.waves
    if waves is None or facts.near_roofline or facts.launch_bound:
        return None
    if not 1 < waves.count <= _FEW_WAVES:
        return None
    if waves.last > _EMPTY_WAVE * waves.resident:
        return None
    return Advice(
        text=f"{waves.resident} programs fit on the GPU at once, and the grid has "
        f"{waves.programs}: the last of {waves.count} rounds has only {waves.last}, and the rest "
        "of the GPU waits for it. Choose the tiles so that the grid fills whole rounds, or let a "
        "fixed number of programs share the tiles."
    )


def _low_occupancy(facts: WorkloadFacts) -> Advice | None:
    tightest = facts.tightest
    if tightest is None or not _waits_for_memory(facts):
        return None
    row, held = tightest
    if held.share > _LOW_OCCUPANCY or held.limiter not in _MORE_ROOM:
        return None
    how, aim = _MORE_ROOM[held.limiter]
    return Advice(
        text=f"Bound by memory, but at {facts.timing.roofline_share:.0%} of the roofline with "
        f"only {held.share:.0%} of the warps resident: too few loads are under way to hide "
        f"latency. The limit is {held.limiter} ({row.registers} registers a thread, "
        f"{row.shared_bytes} bytes a block, {row.num_warps} warps): {how}.",
        aim=aim,
    )


# Where the limit is the number of warps, there is no room to gain.
_MORE_ROOM: dict[str | None, tuple[str, Aim]] = {
    "registers": ("make the tile smaller, or keep fewer values alive at once", "smaller tiles"),
    "shared memory": ("make the tile smaller, or use fewer pipeline stages", "smaller tiles"),
    "blocks": ("give each program more warps and a larger tile", "larger tiles"),
}


def _small_programs(facts: WorkloadFacts) -> Advice | None:
    waves = facts.waves
    if waves is None or waves.count <= _FEW_WAVES:
        return None
    bytes_each = facts.timing.moved_bytes / waves.programs
    if not _waits_for_memory(facts) or bytes_each >= _SMALL_PROGRAM_BYTES:
        return None
    return Advice(
        text=f"The grid has {waves.programs:,} programs, and each moves only {bytes_each:,.0f} "
        "bytes: starting them is what takes the time. Give each program a larger block, or "
        "several blocks in a loop.",
        aim="larger tiles",
    )


def _narrow_access(facts: WorkloadFacts) -> Advice | None:
    tightest = facts.tightest
    if tightest is None or not _waits_for_memory(facts) or tightest[1].share <= _LOW_OCCUPANCY:
        return None
    return Advice(
        text=f"Bound by memory at {facts.timing.roofline_share:.0%} of the roofline, and occupancy "
        f"({tightest[1].share:.0%}) is not the reason: look at the accesses. Read every byte once, "
        "let neighbouring threads read neighbouring bytes (16 bytes a thread where alignment "
        "allows), and mask only the last tile."
    )


def _shallow_pipeline(facts: WorkloadFacts) -> Advice | None:
    stages = [row.num_stages for row in facts.kernels]
    if not _computes_slowly(facts) or not stages:
        return None
    if max(stages) >= 3 or facts.spill_bytes:
        return None
    return Advice(
        text=f"Bound by arithmetic at {facts.timing.roofline_share:.0%} of the roofline with "
        f"num_stages = {max(stages)}: with 3 or 4 stages the next tiles load while this one "
        "multiplies."
    )


def _few_warps(facts: WorkloadFacts) -> Advice | None:
    """On Hopper one warp group of four warps issues a product; two of them hide each other."""
    warps = [row.num_warps for row in facts.kernels]
    if not _computes_slowly(facts) or not warps:
        return None
    if max(warps) > 4 or facts.spill_bytes:
        return None
    return Advice(
        text=f"Bound by arithmetic at {facts.timing.roofline_share:.0%} of the roofline with "
        f"num_warps = {max(warps)}: tiles of 128 rows with 8 warps give the tensor cores larger "
        "products for each byte that is loaded.",
        aim="larger tiles",
    )


def _slow_arithmetic(facts: WorkloadFacts) -> Advice | None:
    if not _computes_slowly(facts):
        return None
    return Advice(
        text=f"Bound by arithmetic at {facts.timing.roofline_share:.0%} of the roofline: keep the "
        "matrix products on `tl.dot` in the inputs' own dtype, move masks, scales and exponentials "
        "that do not change out of the inner loop, and run tiles that need no mask without one."
    )


def _middle_ground(facts: WorkloadFacts) -> Advice | None:
    share = facts.timing.roofline_share
    if share is None or facts.far_from_roofline or facts.near_roofline:
        return None
    if any(rule(facts) for rule in (_spills, _several_launches, _small_grid, _last_wave)):
        return None
    return Advice(
        text=f"At {share:.0%} of the roofline the design is sound, and its parameters decide: "
        "block sizes, num_warps and num_stages. Unless they have been tuned, declare `TUNABLES` "
        "around the present values, so that they are measured instead of guessed."
    )


def _little_left(facts: WorkloadFacts) -> Advice | None:
    if not facts.near_roofline:
        return None
    return Advice(
        text=f"At {facts.timing.roofline_share:.0%} of what this GPU was measured to do, little "
        "is left here: only moving fewer bytes or doing less work would show."
    )


# In the order of what they are worth: the first ones that apply are shown.
RULES = (
    Rule(name="spills", advise=_spills),
    Rule(name="several launches", advise=_several_launches),
    Rule(name="small grid", advise=_small_grid),
    Rule(name="launch-bound", advise=_launch_bound),
    Rule(name="last wave", advise=_last_wave),
    Rule(name="low occupancy", advise=_low_occupancy),
    Rule(name="small programs", advise=_small_programs),
    Rule(name="narrow access", advise=_narrow_access),
    Rule(name="shallow pipeline", advise=_shallow_pipeline),
    Rule(name="few warps", advise=_few_warps),
    Rule(name="slow arithmetic", advise=_slow_arithmetic),
    Rule(name="middle ground", advise=_middle_ground),
    Rule(name="little left", advise=_little_left),
)
