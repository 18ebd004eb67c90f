"""The facts of a run as lists and tables: why believe it, errors, resources, time, attempts.

Pure. Says only what the manifest carries; what was not measured is called not measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.messages.markdown import code, paragraphs, table
from runner.contract import (
    NOT_MEASURED,
    Evaluation,
    KernelResources,
    Outcome,
    OutputError,
    ResultBundle,
)

# A reviewer reads no more, and GitHub takes no more; the rest is in the problem folder.
MAX_ROWS = 60


def best_of(manifest: ResultBundle) -> Evaluation:
    if manifest.best is None:
        raise ValueError("an unsolved run has nothing to publish")
    return manifest.best


def headline(manifest: ResultBundle) -> str:
    best = best_of(manifest)
    name = code(manifest.problem)
    if manifest.outcome is Outcome.IMPROVED:
        return f"**{name}: correct, and significantly faster than every baseline.**"
    if best.performance:
        return f"**{name}: correct. No significant win in time over the baselines.**"
    return (
        f"**{name}: correct against the reference. Its speed is {NOT_MEASURED}**, so nothing here "
        "says that it is fast."
    )


def why_believe_it(manifest: ResultBundle) -> str:
    """The checks that were made, and under what protection, as a list."""
    best = best_of(manifest)
    cases = best.correctness.cases if best.correctness else ()
    workloads = len({str(case.workload) for case in cases})
    distributions = sorted({case.distribution for case in cases})
    elements = sum(case.elements for case in cases)
    where = "a GPU" if best.device == "cuda" else "the CPU, through Triton's interpreter"
    targets = sorted({row.target for row in best.resources})
    sandbox = manifest.environment.sandbox
    guard = (
        "Generated code ran in a sandbox without network (bubblewrap)."
        if sandbox == "bubblewrap"
        else "⚠️ Generated code ran **without a sandbox**, as the runner's operator allowed."
    )
    return "\n".join(
        [
            f"- Every one of {elements} output elements was compared with a float64 reference, in "
            f"{len(cases)} comparisons on {where}: {workloads} workloads, inputs "
            f"{', '.join(code(name, 40) for name in distributions)}.",
            "- The error budget comes from data: a multiple of the low-precision reference's own "
            "error against float64.",
            f"- It was compiled ahead of time for {', '.join(code(t, 40) for t in targets)}.",
            f"- {guard}",
        ]
    )


def correctness_table(evaluation: Evaluation) -> str:
    """Error beside budget for each comparison, the one nearest to its budget first."""
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    rows = [
        [
            code(str(case.workload), 120),
            code(case.distribution, 40),
            code(case.output, 40),
            _figure(case.max_error),
            _figure(case.max_budget),
            _figure(case.rms_error),
            _figure(case.rms_budget),
        ]
        for case in sorted(cases, key=_budget_share, reverse=True)
    ]
    header = ["workload", "inputs", "output", "worst error", "budget", "RMS error", "budget"]
    return _capped(header, rows)


def _budget_share(case: OutputError) -> float:
    if case.max_error is None:
        return math.inf
    return case.max_error / case.max_budget if case.max_budget else case.max_error


def _capped(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of the first MAX_ROWS rows, and a line that counts the others."""
    more = len(rows) - MAX_ROWS
    note = f"({more} more rows are in `results.json`.)" if more > 0 else ""
    return paragraphs(table(header, rows[:MAX_ROWS]), note)


def resources_table(after: Sequence[KernelResources], before: Sequence[KernelResources]) -> str:
    """Registers, spills and shared memory of each compiled kernel; `before → after` where known."""
    rows = []
    for row in after:
        past = _predecessor(row, after, before)
        rows.append(
            [
                code(row.kernel, 80),
                code(str(row.workload), 120),
                code(row.target, 20),
                _change(past.registers if past else None, row.registers),
                _change(past.spill_bytes if past else None, row.spill_bytes),
                _change(past.shared_bytes if past else None, row.shared_bytes),
                _change(past.num_warps if past else None, row.num_warps),
            ]
        )
    header = ["kernel", "workload", "target", "registers", "spills (B)", "shared (B)", "warps"]
    return _capped(header, rows)


def _predecessor(
    row: KernelResources, after: Sequence[KernelResources], before: Sequence[KernelResources]
) -> KernelResources | None:
    """The earlier kernel that `row` took the place of: of its name, or the only one there was."""

    def rivals(rows: Sequence[KernelResources]) -> list[KernelResources]:
        return [r for r in rows if (r.workload, r.target) == (row.workload, row.target)]

    past = rivals(before)
    named = [old for old in past if old.kernel == row.kernel]
    if named:
        return named[0]
    return past[0] if len(past) == len(rivals(after)) == 1 else None


def attempts_table(manifest: ResultBundle) -> str:
    rows = [
        [
            str(attempt.index) + (" ⭐" if attempt.index == manifest.best_attempt else ""),
            attempt.phase,
            attempt.evaluation.status.value,
            code(attempt.evaluation.summary),
        ]
        for attempt in manifest.attempts
    ]
    return _capped(["attempt", "phase", "verdict", "what was found"], rows)


def timing(best: Evaluation) -> str:
    if best.performance is None:
        return f"{NOT_MEASURED}."
    rows = [
        [
            code(str(row.workload), 120),
            f"{row.median_ms:.4g}",
            code(baseline.name, 60),
            f"{baseline.median_ms:.4g}",
            f"{baseline.ratio:.3g} [{baseline.ratio_low:.3g}, {baseline.ratio_high:.3g}]",
        ]
        for row in best.performance.timings
        for baseline in row.baselines
    ]
    return table(["workload", "ms", "baseline", "ms", "speed-up [95 %]"], rows)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _change(before: int | None, after: int) -> str:
    return str(after) if before in (None, after) else f"{before} → {after}"
