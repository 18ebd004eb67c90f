"""From measured times and compiled resources to words and at most two suggestions.

Owns the rules by which a suggestion is made: each needs facts that were measured, and says nothing
where they are absent. Shows no name that a candidate chose outside of a fence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.contract import Evaluation, KernelResources, Roofline, WorkloadTiming
from runner.prompts import excerpt, fenced
from runner.timing_text import RATIO_NOTE, interval_text, measurement_notes, ms_text, standing
from runner.verifier.resources import Residency, residency, resource_figures

MAX_FACT_CHARS = 6_000
MAX_SUGGESTIONS = 2
NEAR_ROOFLINE = 0.85  # a copy itself varies by several per cent with its size
_FAR_FROM_ROOFLINE = 0.6
_LOW_OCCUPANCY = 0.25
# A launch takes 3 to 5 microseconds by itself: below this a kernel's own work is not what counts.
_LAUNCH_BOUND_MS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """What is known of one benchmark workload. `kernels`: what a call launches."""

    timing: WorkloadTiming
    kernels: tuple[KernelResources, ...]
    roofline: Roofline | None

    @property
    def near_roofline(self) -> bool:
        share = self.timing.roofline_share
        return share is not None and share >= NEAR_ROOFLINE

    @property
    def far_from_roofline(self) -> bool:
        share = self.timing.roofline_share
        return share is not None and share < _FAR_FROM_ROOFLINE

    @property
    def launches(self) -> int:
        """Launches of one call; each kernel counts once where nobody counted."""
        return sum(row.launches or 1 for row in self.kernels)

    @property
    def tightest(self) -> tuple[KernelResources, Residency] | None:
        """The kernel that keeps the fewest warps resident; None where no target is known."""
        held = [(row, where) for row in self.kernels if (where := residency(row)) is not None]
        return min(held, key=lambda pair: pair[1].share, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to a suggestion. `advise` gives None where its facts are absent or do not fit."""

    name: str
    advise: Callable[[WorkloadFacts], str | None]


def facts_of(evaluation: Evaluation) -> tuple[WorkloadFacts, ...]:
    """The facts for each timed workload; none without a measurement."""
    performance = evaluation.performance
    if performance is None:
        return ()
    return tuple(
        WorkloadFacts(
            timing=timing,
            kernels=tuple(r for r in evaluation.resources if r.workload == timing.workload),
            roofline=performance.roofline,
        )
        for timing in performance.timings
    )


def describe_speed(evaluation: Evaluation) -> str:
    """Times, what they amount to and what to try, as Markdown. Needs a measured evaluation."""
    performance = evaluation.performance
    if performance is None:
        raise ValueError("nothing was measured")
    facts = facts_of(evaluation)
    lines = [line for row in facts for line in _fact_lines(row)]
    text = "\n".join([*lines, *measurement_notes(performance)])
    parts = [f"Median GPU times. {RATIO_NOTE}", fenced(excerpt(text, MAX_FACT_CHARS))]
    advice = suggestions(facts)
    if advice:
        parts.append("What these figures suggest:\n\n" + "\n".join(f"- {row}" for row in advice))
    return "\n\n".join(parts)


def suggestions(facts: Sequence[WorkloadFacts], limit: int = MAX_SUGGESTIONS) -> tuple[str, ...]:
    """The first `limit` rules that apply, each on the workload that is furthest from the GPU's
    own limit."""
    slowest_first = sorted(facts, key=_share_or_last)
    found: list[str] = []
    for rule in RULES:
        hits = ((row, rule.advise(row)) for row in slowest_first)
        hit = next(((row, text) for row, text in hits if text is not None), None)
        if hit is not None:
            found.append(f"{hit[1]} (On {hit[0].timing.workload}.)")
        if len(found) == limit:
            break
    return tuple(found)


def _share_or_last(facts: WorkloadFacts) -> float:
    share = facts.timing.roofline_share
    return float("inf") if share is None else share


def _fact_lines(facts: WorkloadFacts) -> list[str]:
    timing = facts.timing
    lines = [f"{timing.workload}: {ms_text(timing.median_ms)}"]
    lines += [
        f"  against {row.name} ({ms_text(row.median_ms)}): {standing(row)}, "
        f"ratio {interval_text(row)}"
        for row in timing.baselines
    ]
    lines += [f"  {line}" for line in _work_lines(facts)]
    lines += [f"  {resource_figures(row)}" for row in facts.kernels]
    if facts.kernels:
        lines.append(f"  {facts.launches} {'launch' if facts.launches == 1 else 'launches'} a call")
    return lines


def _work_lines(facts: WorkloadFacts) -> list[str]:
    timing, roofline = facts.timing, facts.roofline
    rates = []
    if timing.gb_per_s is not None:
        rates.append(f"{timing.gb_per_s:,.0f} GB/s")
    if timing.tflop_per_s is not None:
        rates.append(f"{timing.tflop_per_s:.4g} TFLOP/s")
    if timing.roofline_share is not None:
        rates.append(f"{timing.roofline_share:.0%} of what this GPU was measured to do")
    if timing.bound is not None:
        rates.append(f"bound by {timing.bound}")
    lines = [", ".join(rates)] if rates else []
    if roofline is not None:
        lines.append(f"a copy on this GPU reaches {roofline.copy_gb_per_s:,.0f} GB/s")
    if timing.floor_ms:
        lines.append(
            f"no correct kernel can take less than {ms_text(timing.floor_ms)}: this one takes "
            f"{timing.median_ms / timing.floor_ms:.2f} times that"
        )
    return lines


def _spills(facts: WorkloadFacts) -> str | None:
    worst = max(facts.kernels, key=lambda row: row.spill_bytes, default=None)
    if worst is None or worst.spill_bytes == 0:
        return None
    return (
        f"{worst.spill_bytes} bytes a thread are spilled from registers to local memory: use "
        f"smaller tiles, fewer pipeline stages (num_stages is {worst.num_stages}), or spread the "
        f"tile over more warps (num_warps is {worst.num_warps})."
    )


def _several_launches(facts: WorkloadFacts) -> str | None:
    count = facts.launches
    if count < 2 or facts.timing.bound != "memory" or facts.near_roofline:
        return None
    return (
        f"The problem is bound by memory, and a call makes {count} launches: each writes what "
        "the next one reads again. Fuse them, so that intermediate values stay in registers."
    )


def _small_grid(facts: WorkloadFacts) -> str | None:
    programs = [math.prod(row.grid) for row in facts.kernels if row.grid is not None]
    if not programs or facts.roofline is None or facts.near_roofline:
        return None
    if max(programs) >= facts.roofline.multiprocessors:
        return None
    return (
        f"The largest grid has {max(programs)} programs for {facts.roofline.multiprocessors} "
        "multiprocessors, so that most of the GPU may idle: split the work into more programs, "
        "along a reduction too where the other axes are short."
    )


def _launch_bound(facts: WorkloadFacts) -> str | None:
    median_ms = facts.timing.median_ms
    if median_ms >= _LAUNCH_BOUND_MS or not facts.far_from_roofline:
        return None
    return (
        f"{ms_text(median_ms)} is about what a launch takes by itself: only fewer launches and "
        "less work before the first load help at this size, not a quicker inner loop."
    )


def _low_occupancy(facts: WorkloadFacts) -> str | None:
    tightest = facts.tightest
    if tightest is None or not facts.far_from_roofline or facts.timing.bound != "memory":
        return None
    row, held = tightest
    if held.share > _LOW_OCCUPANCY or held.limiter not in _MORE_ROOM:
        return None
    return (
        f"Bound by memory, but at {facts.timing.roofline_share:.0%} of the roofline with only "
        f"{held.share:.0%} of the warps resident: too few loads are under way to hide latency. "
        f"The limit is {held.limiter} ({row.registers} registers a thread, {row.shared_bytes} "
        f"bytes a block, {row.num_warps} warps): {_MORE_ROOM[held.limiter]}."
    )


# Where the limit is the number of warps, there is no room to gain.
_MORE_ROOM = {
    "registers": "make the tile smaller, or keep fewer values alive at once",
    "shared memory": "make the tile smaller, or use fewer pipeline stages",
    "blocks": "give each program more warps and a larger tile",
}


def _narrow_access(facts: WorkloadFacts) -> str | None:
    tightest = facts.tightest
    if tightest is None or not facts.far_from_roofline or facts.timing.bound != "memory":
        return None
    if tightest[1].share <= _LOW_OCCUPANCY or facts.timing.median_ms < _LAUNCH_BOUND_MS:
        return None
    return (
        f"Bound by memory at {facts.timing.roofline_share:.0%} of the roofline, and occupancy "
        f"({tightest[1].share:.0%}) is not the reason: look at the accesses. Read every byte once, "
        "let neighbouring threads read neighbouring bytes (16 bytes a thread where alignment "
        "allows), and mask only the last tile."
    )


def _shallow_pipeline(facts: WorkloadFacts) -> str | None:
    stages = [row.num_stages for row in facts.kernels]
    if facts.timing.bound != "arithmetic" or not facts.far_from_roofline or not stages:
        return None
    if max(stages) >= 3 or any(row.spill_bytes for row in facts.kernels):
        return None
    return (
        f"Bound by arithmetic at {facts.timing.roofline_share:.0%} of the roofline with num_stages "
        f"= {max(stages)}: with 3 or 4 stages the next tiles load while this one multiplies."
    )


def _slow_arithmetic(facts: WorkloadFacts) -> str | None:
    timing = facts.timing
    if timing.bound != "arithmetic" or not facts.far_from_roofline:
        return None
    return (
        f"Bound by arithmetic at {timing.roofline_share:.0%} of the roofline: keep the matrix "
        "products on `tl.dot` in the inputs' own dtype with tiles of at least 64 along each axis, "
        "and move masks, scales and exponentials that do not change out of the inner loop."
    )


def _little_left(facts: WorkloadFacts) -> str | None:
    if not facts.near_roofline:
        return None
    return (
        f"At {facts.timing.roofline_share:.0%} of what this GPU was measured to do, little is "
        "left here: only moving fewer bytes or doing less work would show."
    )


# In the order of what they are worth: the first ones that apply are shown.
RULES = (
    Rule(name="spills", advise=_spills),
    Rule(name="several launches", advise=_several_launches),
    Rule(name="small grid", advise=_small_grid),
    Rule(name="launch-bound", advise=_launch_bound),
    Rule(name="low occupancy", advise=_low_occupancy),
    Rule(name="narrow access", advise=_narrow_access),
    Rule(name="shallow pipeline", advise=_shallow_pipeline),
    Rule(name="slow arithmetic", advise=_slow_arithmetic),
    Rule(name="little left", advise=_little_left),
)
