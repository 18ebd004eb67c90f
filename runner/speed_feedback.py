"""Measured times, and what they amount to, in words for the next prompt.

Owns the lines of figures and the sentence on where the kernel stands. Shows no name that a
candidate chose outside of a fence; the suggestions are `speed_rules`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.contract import Evaluation
from runner.prompts import excerpt, fenced
from runner.speed_advice import suggestions
from runner.speed_facts import WorkloadFacts, facts_of
from runner.timing_text import RATIO_NOTE, interval_text, measurement_notes, ms_text, standing
from runner.verifier.resources import resource_figures

MAX_FACT_CHARS = 6_000


def describe_speed(evaluation: Evaluation, limit_chars: int = MAX_FACT_CHARS) -> str:
    """Times, what they amount to and what to try, as Markdown. Needs a measured evaluation."""
    performance = evaluation.performance
    if performance is None:
        raise ValueError("nothing was measured")
    facts = facts_of(evaluation)
    lines = [line for row in facts for line in _fact_lines(row)]
    if performance.roofline is not None:
        rate = performance.roofline.copy_gb_per_s
        lines.append(f"A copy on this GPU reaches {rate:,.0f} GB/s.")
    text = "\n".join([*lines, *measurement_notes(performance)])
    parts = [f"Median GPU times. {RATIO_NOTE}", fenced(excerpt(text, limit_chars)), _goal(facts)]
    advice = suggestions(facts)
    if advice:
        rows = "\n".join(f"{number}. {row}" for number, row in enumerate(advice, start=1))
        parts.append(f"What these figures suggest, the most promising first:\n\n{rows}")
    return "\n\n".join(part for part in parts if part)


def _goal(facts: Sequence[WorkloadFacts]) -> str:
    """Where the next kernel has to come to, on the workload where this one stands worst."""
    rows = [(row, bar) for row in facts if (bar := row.toughest) is not None]
    if not rows:
        return ""
    row, bar = min(rows, key=lambda pair: pair[1].ratio_low)
    workload, own = row.timing.workload, ms_text(row.timing.median_ms)
    if standing(bar) == "faster":
        return (
            f"It is faster than every baseline on every workload. Its smallest lead is on "
            f"{workload}: {own} against {ms_text(bar.median_ms)} of {bar.name}."
        )
    return (
        f"It stands worst on {workload}: {own} against {ms_text(bar.median_ms)} of {bar.name}, "
        "which is what the next kernel has to beat there."
    )


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
    timing = facts.timing
    rates = []
    if timing.gb_per_s is not None:
        rates.append(f"{timing.gb_per_s:,.0f} GB/s")
    if timing.tflop_per_s is not None:
        rates.append(f"{timing.tflop_per_s:.4g} TFLOP/s")
    if timing.roofline_share is not None:
        rates.append(f"{timing.roofline_share:.0%} of what this GPU was measured to do")
    if timing.bound is not None:
        rates.append(f"bound by {timing.bound}")
    if timing.bound == "arithmetic" and (timing.roofline_share or 0.0) > 1.0:
        rates.append("counted with the reference's operations, of which this kernel does fewer")
    lines = [", ".join(rates)] if rates else []
    if timing.floor_ms:
        lines.append(
            f"no correct kernel can take less than {ms_text(timing.floor_ms)}: this one takes "
            f"{timing.median_ms / timing.floor_ms:.2f} times that"
        )
    return lines
