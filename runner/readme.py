"""The Markdown that a run leaves: the problem folder's README and the step summary.

Owns the words and tables a reviewer reads. Every figure comes from an evaluation; what was not
measured is said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.contract import (
    NOT_MEASURED,
    Attempt,
    Cost,
    Environment,
    Evaluation,
    Outcome,
    ResultBundle,
)
from runner.markdown import code, error_text, plain, table
from runner.problem import Problem
from runner.prompts import fenced
from runner.timing_text import (
    ABSENT,
    RATIO_NOTE,
    TIME_HEADER,
    WORK_HEADER,
    has_work,
    measurement_notes,
    time_cells,
    why_not_measured,
    work_cells,
)

# GitHub refuses a step summary above 1 MiB without a word; rows beyond this are in the bundle.
MAX_ATTEMPT_ROWS = 200


def render_readme(problem: Problem, manifest: ResultBundle, best: Evaluation) -> str:
    """The README of a solved problem's folder."""
    environment = manifest.environment
    parts = [
        f"# {code(problem.name)}",
        _headline(manifest),
        fenced(problem.summary),
        "## Correct",
        _correctness_note(problem),
        correctness_table(best),
        "## Resources",
        "As the assembler reports them: registers and spilled bytes a thread, shared memory a "
        "block.",
        resources_table(best),
        "## Speed",
        _speed(best),
        "## Reproduce",
        _reproduce(problem),
        "## How it was made",
        attempts_table(manifest.attempts),
        _made_by(manifest, environment),
    ]
    return "\n\n".join(parts) + "\n"


def render_summary(problem: Problem, manifest: ResultBundle) -> str:
    """The step summary: outcome, attempts and, where there is one, the best kernel's figures."""
    parts = [f"## {code(problem.name)}: {manifest.outcome}", _headline(manifest)]
    parts.append(attempts_table(manifest.attempts))
    if manifest.best is not None:
        parts += [correctness_table(manifest.best), resources_table(manifest.best)]
        parts.append(_speed(manifest.best))
    parts.append(_made_by(manifest, manifest.environment))
    return "\n\n".join(parts) + "\n"


def correctness_table(evaluation: Evaluation) -> str:
    """Every comparison: the largest and the root-mean-square error, each beside its budget."""
    rows = [
        [
            code(str(case.workload)),
            plain(case.distribution),
            code(case.output),
            f"{case.elements:,}",
            f"{error_text(case.max_error)} of {error_text(case.max_budget)}",
            f"{error_text(case.rms_error)} of {error_text(case.rms_budget)}",
        ]
        for case in (evaluation.correctness.cases if evaluation.correctness else ())
    ]
    header = [
        "workload",
        "inputs",
        "output",
        "elements",
        "largest error of budget",
        "RMS of budget",
    ]
    return table(header, rows)


def resources_table(evaluation: Evaluation) -> str:
    """Registers, spills and shared memory of each compiled kernel."""
    rows = [
        [
            code(row.kernel),
            code(str(row.workload)),
            plain(row.target),
            str(row.registers),
            f"{row.spill_bytes} B",
            f"{row.shared_bytes:,} B",
            str(row.num_warps),
            str(row.num_stages),
        ]
        for row in evaluation.resources
    ]
    header = ["kernel", "workload", "target", "registers", "spilled", "shared", "warps", "stages"]
    return table(header, rows)


def attempts_table(attempts: Sequence[Attempt]) -> str:
    """What was tried, one row each."""
    if not attempts:
        return "No attempt was made."
    rows = [
        [
            str(attempt.index),
            attempt.phase,
            f"**{attempt.evaluation.status}**" if attempt.kept else str(attempt.evaluation.status),
            plain(attempt.evaluation.summary[:300]),
        ]
        for attempt in attempts[:MAX_ATTEMPT_ROWS]
    ]
    text = table(["attempt", "phase", "status (bold: best so far)", ""], rows)
    left_out = len(attempts) - len(rows)
    return text + (f"\n\n… and {left_out} more in results.json." if left_out else "")


def _headline(manifest: ResultBundle) -> str:
    speed = NOT_MEASURED
    if manifest.best is not None:
        measured = manifest.best.performance is not None
        speed = "timed below" if measured else why_not_measured(manifest.best)
    what = {
        Outcome.IMPROVED: "passes every check and is faster than every baseline",
        Outcome.CORRECT: "passes every check",
        Outcome.UNSOLVED: "no kernel passed every check",
    }[manifest.outcome]
    return f"**{manifest.outcome}**: {what}. Speed: {speed}."


def _correctness_note(problem: Problem) -> str:
    tolerance = problem.tolerance
    reason = f" Why: {plain(tolerance.reason)}" if tolerance.reason.strip() else ""
    return (
        "Errors are absolute, against the reference in float64. The budget is "
        f"{tolerance.multiplier:g} times the error that PyTorch itself makes at the declared "
        f"dtypes, plus rounding.{reason}"
    )


def _speed(best: Evaluation) -> str:
    """Both timing tables where a GPU measured, else the reason why there are none."""
    performance = best.performance
    if performance is None:
        return f"The speed was {why_not_measured(best)}."
    parts = [
        f"{' '.join(plain(note) for note in measurement_notes(performance))} {RATIO_NOTE}",
        table(TIME_HEADER, [_coded(row, 0, 2) for row in time_cells(performance)]),
    ]
    if has_work(performance):
        parts.append(table(WORK_HEADER, [_coded(row, 0) for row in work_cells(performance)]))
    roofline = performance.roofline
    if roofline is not None:
        products = "".join(
            f", {plain(dtype)} matrix products at {rate:,.0f} TFLOP/s"
            for dtype, rate in roofline.matmul_tflop_per_s.items()
        )
        parts.append(
            "The roofline was measured on the same GPU: a copy moves "
            f"{roofline.copy_gb_per_s:,.0f} GB/s{products}."
        )
    return "\n\n".join(parts)


def _coded(cells: Sequence[str], *columns: int) -> list[str]:
    """Cells as Markdown; those in `columns` are names."""
    return [
        code(cell) if column in columns and cell != ABSENT else plain(cell)
        for column, cell in enumerate(cells)
    ]


def _reproduce(problem: Problem) -> str:
    commands = [
        "pip install 'kernelwright[runner]'",
        f"python -m runner verify problems/{problem.name}",
        f"pytest problems/{problem.name}/test_kernel.py",
        f"pytest problems/{problem.name}/bench_kernel.py  # needs a CUDA GPU",
    ]
    return fenced("\n".join(commands), "sh")


def _made_by(manifest: ResultBundle, environment: Environment) -> str:
    gpu = environment.gpu or "no GPU (Triton's interpreter, and compilation for the target)"
    rows = [
        ["model", code(manifest.model)],
        ["ended", plain(manifest.stopped_because)],
        ["cost", _cost_text(manifest.cost)],
        ["ran on", plain(gpu)],
        [
            "with",
            plain(
                f"torch {environment.torch}, triton {environment.triton}, "
                f"python {environment.python}"
            ),
        ],
        ["sandbox", environment.sandbox],
    ]
    return table(["", ""], rows)


def _cost_text(cost: Cost) -> str:
    parts = [
        f"{cost.wall_s:.1f} s in all, model {cost.model_s:.1f} s, verifier {cost.verifier_s:.1f} s"
    ]
    if cost.prompt_tokens is not None and cost.completion_tokens is not None:
        parts.append(f"{cost.prompt_tokens:,} + {cost.completion_tokens:,} tokens")
    else:
        parts.append("tokens not counted")
    if cost.usd is not None:
        parts.append(f"US$ {cost.usd:.2f}")
    return "; ".join(parts)
