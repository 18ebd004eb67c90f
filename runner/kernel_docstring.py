"""What a delivered kernel says of itself: shapes, dtypes, errors, its problem, its measured speed.

Owns the words. Reads the candidate's text for the errors that it raises and never runs it.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable

from runner.contract import Evaluation
from runner.error_shares import worst_share
from runner.headline import baseline_label, gpu_label, lead_over_strongest
from runner.problem import Problem, TensorSpec
from runner.results import Results
from runner.timing_text import why_not_measured

_WIDTH_CHARS = 92


def kernel_facts(problem: Problem, results: Results, source: str) -> str:
    """One fact a line; long ones are wrapped with their lines indented."""
    best = results.evaluation
    if best is None:
        raise ValueError("a run without a kernel has no facts of one")
    ranges = (f"{name} {low} to {high}" for name, (low, high) in problem.axes.items())
    facts = {
        "Problem": f"{problem.name} (problem.toml and reference.py beside this file)",
        "Inputs": _tensors(problem.inputs),
        "Output" if len(problem.outputs) == 1 else "Outputs": _tensors(problem.outputs),
        "Sizes": ", ".join(ranges),
        "Errors": _raised(source),
        "Accuracy": _accuracy(best),
        "Speed": _speed(results, best),
    }
    return "\n".join(
        textwrap.fill(f"{name}: {fact}", _WIDTH_CHARS, subsequent_indent="    ")
        for name, fact in facts.items()
    )


def _tensors(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(
        f"{spec.name} {spec.dtype} [{', '.join(map(str, spec.shape))}]"
        + ("" if spec.contiguous else " of any strides")
        for spec in specs
    )


def _raised(source: str) -> str:
    """The exceptions that the file raises by name."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise):
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(raised, ast.Name):
                names.add(raised.id)
    if not names:
        return "checks none of its arguments"
    return f"raises {', '.join(sorted(names))} for arguments that it cannot take"


def _accuracy(best: Evaluation) -> str:
    cases = best.correctness.cases if best.correctness else ()
    if not cases:
        return "no comparison is on record"
    worst = max(map(worst_share, cases))
    return (
        f"largest error {worst:.0%} of its budget, in {len(cases)} comparisons with the reference "
        "in float64"
    )


def _speed(results: Results, best: Evaluation) -> str:
    lead = lead_over_strongest(best.performance)
    if best.performance is None:
        return why_not_measured(best)
    if lead is None:
        return "timed, but no baseline was"
    return (
        f"{lead.ratio:.3f}x vs {baseline_label(lead.baseline)}, its strongest baseline, on "
        f"{gpu_label(results.environment) or 'an unnamed GPU'} (geometric mean of {lead.workloads} "
        f"workloads, {lead.lowest:.3f}x to {lead.highest:.3f}x; above 1 is faster)"
    )
