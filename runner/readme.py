"""The Markdown that a run leaves: the problem folder's README and the step summary.

Owns the words and tables a reviewer reads. Every figure comes from the results; what was not
measured is said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.charts import SEARCH_PICTURE, TIMES_PICTURE
from runner.contract import Cost, Environment, Evaluation, OutputError, Performance, Workload
from runner.error_shares import share_matrix
from runner.headline import claim
from runner.markdown import code, error_text, plain, table
from runner.problem import Problem
from runner.prompts import fenced
from runner.results import AttemptRow, Results
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
_TIMES = f"![Time of the kernel and of its baselines over the benchmark sizes]({TIMES_PICTURE})"


def render_readme(problem: Problem, results: Results) -> str:
    """The README of a solved problem's folder. Raises ValueError for results without a kernel."""
    best = results.evaluation
    if best is None:
        raise ValueError("there is no kernel to write a README about")
    cases = best.correctness.cases if best.correctness else ()
    parts = [
        f"# {code(problem.name)}",
        _headline(results),
        fenced(problem.summary),
        "## Speed",
        _speed(best),
        *([_TIMES] if best.performance is not None else []),
        "## Correct",
        _correctness_note(problem),
        matrix_table(problem, cases),
        _fold(f"All {len(cases)} comparisons", correctness_table(best)),
        "## Resources",
        "As the assembler reports them: registers and spilled bytes a thread, shared memory a "
        "block.",
        resources_table(best),
        "## Reproduce",
        _reproduce(problem),
        "## How it was made",
        f"![Every attempt of the search and the best so far]({SEARCH_PICTURE})",
        attempts_table(results.attempts),
        _made_by(results),
    ]
    return "\n\n".join(parts) + "\n"


def render_summary(problem: Problem, results: Results) -> str:
    """The step summary: outcome, attempts and, where there is one, the best kernel's figures."""
    parts = [f"## {code(problem.name)}: {results.outcome}", _headline(results)]
    parts.append(attempts_table(results.attempts))
    best = results.evaluation
    if best is not None:
        parts += [correctness_table(best), resources_table(best), _speed(best)]
    parts.append(_made_by(results))
    return "\n\n".join(parts) + "\n"


def matrix_table(problem: Problem, cases: Sequence[OutputError]) -> str:
    """Workloads against distributions: the largest share of an error budget that was used."""
    matrix = share_matrix(cases)
    named = (*problem.tests, *problem.benchmarks)

    def name(workload: Workload) -> str:
        return code(str(workload)) + ("" if workload in named else " (held out)")

    rows = [
        [name(workload), *(plain(matrix.text(workload, kind)) for kind in matrix.distributions)]
        for workload in matrix.workloads
    ]
    return table(["workload", *map(plain, matrix.distributions)], rows)


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


def attempts_table(attempts: Sequence[AttemptRow]) -> str:
    """What was tried, one row each."""
    if not attempts:
        return "No attempt was made."
    rows = [
        [
            str(row.index),
            plain(row.phase),
            f"**{row.status}**" if row.kept else str(row.status),
            plain(row.summary[:300]),
        ]
        for row in attempts[:MAX_ATTEMPT_ROWS]
    ]
    text = table(["attempt", "phase", "status (bold: best so far)", ""], rows)
    left_out = len(attempts) - len(rows)
    return text + (f"\n\n… and {left_out} more in results.json." if left_out else "")


def _headline(results: Results) -> str:
    best = results.evaluation
    said = claim(results.outcome, best, results.environment)
    text = f"**{results.outcome}**: {plain(said)}."
    if best is not None and best.performance is None:
        text += f" Speed: {why_not_measured(best)}."
    return text


def _correctness_note(problem: Problem) -> str:
    tolerance = problem.tolerance
    reason = f" Why: {plain(tolerance.reason)}" if tolerance.reason.strip() else ""
    return (
        "Each cell is the largest share of its error budget that the kernel used; above 100% it "
        "would have failed. Errors are absolute, against the reference in float64. The budget is "
        f"{tolerance.multiplier:g} times the error that PyTorch itself makes at the declared "
        f"dtypes, plus rounding. Held out: the verifier drew that size itself.{reason}"
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
    if performance.roofline is not None:
        parts.append(_roofline(performance))
    return "\n\n".join(parts)


def _roofline(performance: Performance) -> str:
    roofline = performance.roofline
    if roofline is None:
        return ""
    products = "".join(
        f", {plain(dtype)} matrix products at {rate:,.0f} TFLOP/s"
        for dtype, rate in roofline.matmul_tflop_per_s.items()
    )
    return (
        "The roofline was measured on the same GPU: a copy moves "
        f"{roofline.copy_gb_per_s:,.0f} GB/s{products}."
    )


def _coded(cells: Sequence[str], *columns: int) -> list[str]:
    """Cells as Markdown; those in `columns` are names."""
    return [
        code(cell) if column in columns and cell != ABSENT else plain(cell)
        for column, cell in enumerate(cells)
    ]


def _reproduce(problem: Problem) -> str:
    """Two commands, once the package is there: the verdict, and the folder's own tests."""
    folder = f"problems/{problem.name}"
    commands = [
        f"python -m runner verify {folder}",
        f"python -m pytest {folder}/test_kernel.py {folder}/bench_kernel.py",
    ]
    return (
        "From a clone, with kernelwright installed (`pip install '.[runner]'` in a checkout of "
        "it). Without a CUDA GPU the kernel runs in Triton's interpreter, and the benchmarks are "
        "skipped.\n\n" + fenced("\n".join(commands), "sh")
    )


def _made_by(results: Results) -> str:
    environment = results.environment
    rows = [
        ["model", code(results.model)],
        ["ended", plain(results.stopped_because)],
        ["cost", _cost_text(results.cost)],
        ["ran on", plain(_machine(environment))],
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


def _machine(environment: Environment) -> str:
    if environment.gpu is None:
        return "no GPU (Triton's interpreter, and compilation for the target)"
    parts = [environment.gpu]
    if environment.driver:
        parts.append(f"driver {environment.driver}")
    if environment.cuda:
        parts.append(f"CUDA {environment.cuda}")
    parts += [f"{name} clock {mhz} MHz" for name, mhz in (environment.clocks_mhz or {}).items()]
    return ", ".join(parts)


def _fold(title: str, content: str) -> str:
    """Closed until it is clicked. `title` is ours, `content` already safe."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


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
