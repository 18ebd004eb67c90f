"""The facts of a run for a reviewer: why believe it, and the tables behind that.

Pure. Says only what the manifest carries; what was not measured is called not measured.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bot.messages.markdown import code, fence, paragraphs, table
from runner.contract import (
    NOT_MEASURED,
    Evaluation,
    KernelResources,
    Outcome,
    OutputError,
    ResultBundle,
    Workload,
)
from runner.error_shares import share_matrix, worst_share
from runner.headline import baseline_label, claim, gpu_label, lead_over_strongest, times_text
from runner.problem import Problem, Tolerance
from runner.timing_text import interval_text, ms_text, standing

# A reviewer reads no more, and GitHub takes no more; the rest is in the problem folder.
MAX_ROWS = 60


def best_of(manifest: ResultBundle) -> Evaluation:
    if manifest.best is None:
        raise ValueError("an unsolved run has nothing to publish")
    return manifest.best


def headline(manifest: ResultBundle) -> str:
    best = best_of(manifest)
    said = claim(manifest.outcome, best, manifest.environment)
    name = code(manifest.problem)
    if manifest.outcome is Outcome.IMPROVED:
        return f"**{name}: correct, and faster than every baseline: {said}.**"
    if best.performance:
        return f"**{name}: {said}.**"
    return (
        f"**{name}: correct against the reference. Its speed is {NOT_MEASURED}**, so nothing here "
        "says that it is fast."
    )


def why_believe_it(manifest: ResultBundle) -> str:
    """The checks that were made, and under what protection: a list of ten lines at most."""
    best = best_of(manifest)
    cases = best.correctness.cases if best.correctness else ()
    workloads = len({str(case.workload) for case in cases})
    distributions = sorted({case.distribution for case in cases})
    elements = sum(case.elements for case in cases)
    where = "a GPU" if best.device == "cuda" else "the CPU, through Triton's interpreter"
    targets = sorted({row.target for row in best.resources})
    lines = [
        f"Every one of {elements:,} output elements was compared with a float64 reference, in "
        f"{len(cases)} comparisons on {where}: {workloads} workloads, inputs "
        f"{', '.join(code(name, 40) for name in distributions[:12])}.",
        f"The largest error used {_worst(cases)} of its budget. The budget comes from data: a "
        "multiple of the low-precision reference's own error against float64.",
        "The verdict was computed from tensors by a process that never imports the kernel, on "
        "inputs from a secret seed.",
        *_speed_lines(best),
        f"It was compiled for {', '.join(code(t, 40) for t in targets[:6])}.",
        _guard(manifest.environment.sandbox),
    ]
    return "\n".join(f"- {line}" for line in lines)


def benchmark_table(best: Evaluation) -> str:
    """A row for each benchmark workload and baseline; why there is none where nothing was timed."""
    performance = best.performance
    if performance is None:
        return f"{NOT_MEASURED}."
    cases = best.correctness.cases if best.correctness else ()
    rows = []
    for row in performance.timings:
        own = [case for case in cases if case.workload == row.workload]
        share = "–" if row.roofline_share is None else f"{row.roofline_share:.0%}"  # noqa: RUF001
        rows += [
            [
                code(str(row.workload), 120),
                ms_text(row.median_ms),
                code(baseline_label(baseline.name), 60),
                ms_text(baseline.median_ms),
                interval_text(baseline),
                standing(baseline),
                share,
                _worst(own),
            ]
            for baseline in row.baselines
        ]
    header = [
        "workload", "kernel", "baseline", "its median", "ratio [95 %]", "the kernel is",
        "of roofline", "worst error of budget",
    ]  # fmt: skip
    left_out = [
        f"Not timed, {code(name, 200)}: {code(why, 200)}."
        for name, why in sorted(performance.not_timed.items())[:10]
    ]
    return paragraphs(_capped(header, rows), *left_out)


def correctness_matrix(best: Evaluation, problem: Problem) -> str:
    """Workloads against distributions: the largest share of an error budget that was used."""
    matrix = share_matrix(best.correctness.cases if best.correctness else ())
    named = (*problem.tests, *problem.benchmarks)
    kinds = matrix.distributions[:12]

    def name(workload: Workload) -> str:
        return code(str(workload), 120) + ("" if workload in named else " (held out)")

    rows = [
        [name(workload), *(matrix.text(workload, kind) for kind in kinds)]
        for workload in matrix.workloads
    ]
    return _capped(["workload", *(code(kind, 40) for kind in kinds)], rows)


def tolerance_note(problem: Problem) -> str:
    """What the spec says about its own error budget; nothing where it takes the default."""
    tolerance = problem.tolerance
    if tolerance == Tolerance():
        return ""
    return (
        f"The spec sets its error budget itself: {tolerance.multiplier:g} times the reference's "
        f"own error, where {Tolerance().multiplier:g} times is the default. Its reason:\n\n"
        # Wrapped: a fence scrolls sideways, and the reason is what the reviewer has to judge.
        + fence(textwrap.fill(tolerance.reason, 88) or "none given", limit=1000)
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
        for case in sorted(cases, key=worst_share, reverse=True)
    ]
    header = ["workload", "inputs", "output", "worst error", "budget", "RMS error", "budget"]
    return _capped(header, rows)


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


def where_measured(manifest: ResultBundle) -> str:
    """The GPU's name, or that there was none."""
    return gpu_label(manifest.environment) or "no GPU"


def _speed_lines(best: Evaluation) -> list[str]:
    performance = best.performance
    lead = lead_over_strongest(performance)
    if performance is None or lead is None:
        return ["Nothing was timed, so nothing is claimed of its speed."]
    own = ""
    if performance.own_share is not None:
        own = f" {performance.own_share:.1%} of the GPU's time was the kernel's own Triton code."
    count = performance.fresh_processes
    processes = "one fresh process" if count == 1 else f"{count} fresh processes"
    return [
        f"Against {code(baseline_label(lead.baseline), 60)}, the baseline that is hardest to beat, "
        f"{times_text(lead.ratio)} as the geometric mean of {lead.workloads} workloads "
        f"({times_text(lead.lowest)} to {times_text(lead.highest)}).",
        "Kernel and baselines were timed in turns on one GPU with a cold L2 cache, in "
        f"{processes}, and a second clock outside of the kernel's process had to agree.{own}",
    ]


def _guard(sandbox: str) -> str:
    if sandbox == "bubblewrap":
        return "Generated code ran in a sandbox without network (bubblewrap)."
    return "⚠️ Generated code ran **without a sandbox**, as the runner's operator allowed."


def _worst(cases: Sequence[OutputError]) -> str:
    shares = [worst_share(case) for case in cases]
    return f"{max(shares):.0%}" if shares else "–"  # noqa: RUF001 - the sign for 'none'


def _capped(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of the first MAX_ROWS rows, and a line that counts the others."""
    more = len(rows) - MAX_ROWS
    note = f"({more} more rows are in `results.json`.)" if more > 0 else ""
    return paragraphs(table(header, rows[:MAX_ROWS]), note)


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


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _change(before: int | None, after: int) -> str:
    return str(after) if before in (None, after) else f"{before} → {after}"
