"""A verdict on a terminal: status, findings, checks, errors, resources and times.

Owns the tables and their collapsing. Whatever a candidate could have shaped is shown as text,
without markup or control characters.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner.contract import Environment, Evaluation, EvaluationStatus, OutputError, Performance
from runner.error_shares import worst_cases, worst_share
from runner.feedback import findings
from runner.markdown import error_text
from runner.one_line import one_line
from runner.timing_text import (
    RATIO_NOTE,
    TIME_HEADER,
    WORK_HEADER,
    has_work,
    measurement_notes,
    time_cells,
    why_not_measured,
    work_cells,
)
from runner.verifier.resources import occupancy

# More comparisons than this and only the worst of each workload and output is shown.
MAX_ERROR_ROWS = 12
# A log has no width of its own, and 80 columns would break every row in two.
_LOG_COLUMNS = 120
_STANDING_STYLES = {"faster": "green", "slower": "red"}


def open_console() -> Console:
    """The console on stdout."""
    return Console(width=None if sys.stdout.isatty() else _LOG_COLUMNS)


def print_verdict(
    console: Console, problem_name: str, evaluation: Evaluation, total_s: float
) -> None:
    """Everything about one verdict, the most important first."""
    passed = evaluation.status is EvaluationStatus.PASSED
    line = Text.assemble(
        (str(evaluation.status), "bold green" if passed else "bold red"),
        f"  {problem_name}  on {evaluation.device}  stage {evaluation.stage}  {total_s:.1f} s",
    )
    console.print(line)
    told = one_line(evaluation.summary) if passed else findings(evaluation)
    console.print(Text("\n".join(_visible(line) for line in told.splitlines())))
    if evaluation.checks:
        rows = [(one_line(check.name), one_line(check.detail)) for check in evaluation.checks]
        console.print(_table("checked", ("", ""), rows))
    if evaluation.correctness is not None:
        console.print(_errors(evaluation.correctness.cases))
    if evaluation.resources:
        console.print(_resources(evaluation))
    if evaluation.performance is None:
        console.print(f"speed: {why_not_measured(evaluation)}")
    else:
        print_times(console, evaluation.performance)


def print_times(console: Console, performance: Performance) -> None:
    """The timing tables, and how the times were taken."""
    table = _table("time on the GPU", TIME_HEADER, [])
    for cells in time_cells(performance):
        style = _STANDING_STYLES.get(cells[-1])
        table.add_row(*[Text(one_line(cell)) for cell in cells], style=style)
    console.print(table)
    if has_work(performance):
        console.print(_table("against this GPU", WORK_HEADER, work_cells(performance)))
    for note in (*measurement_notes(performance), RATIO_NOTE):
        console.print(Text(one_line(note)))


def print_machine(console: Console, environment: Environment) -> None:
    """Where it was measured, on one line."""
    clocks = environment.clocks_mhz or {}
    parts = [
        environment.gpu or "no GPU",
        f"driver {environment.driver}" if environment.driver else "",
        *(f"{name} clock {mhz} MHz" for name, mhz in clocks.items()),
        f"torch {environment.torch}, triton {environment.triton}, sandbox {environment.sandbox}",
    ]
    console.print(Text(one_line(", ".join(part for part in parts if part))))


def _errors(cases: Sequence[OutputError]) -> Table:
    if len(cases) > MAX_ERROR_ROWS:
        rows = worst_cases(cases)
        title = f"errors against float64: the worst of {len(cases)} comparisons for each workload"
    else:
        rows = list(cases)
        title = "errors against float64, beside their budgets"
    header = ("workload", "inputs", "output", "largest", "budget", "RMS", "budget", "used")
    table = _table(title, header, [])
    for case in rows:
        share = worst_share(case)
        cells = (
            str(case.workload),
            case.distribution,
            case.output,
            error_text(case.max_error),
            error_text(case.max_budget),
            error_text(case.rms_error),
            error_text(case.rms_budget),
            "all" if share == float("inf") else f"{share:.0%}",
        )
        style = None if case.within_budget else "red"
        table.add_row(*[Text(one_line(cell)) for cell in cells], style=style)
    return table


def _resources(evaluation: Evaluation) -> Table:
    header = (
        *("kernel", "workload", "target", "registers", "spilled", "shared", "warps", "occupancy"),
    )
    rows = []
    for row in evaluation.resources:
        share = occupancy(row)
        rows.append(
            (
                row.kernel,
                str(row.workload),
                row.target,
                str(row.registers),
                f"{row.spill_bytes} B",
                f"{row.shared_bytes:,} B",
                str(row.num_warps),
                "unknown" if share is None else f"{share:.0%}",
            )
        )
    return _table("compiled kernels", header, rows)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for cells in rows:
        # Text, not markup: names come from the candidate.
        table.add_row(*[Text(one_line(cell)) for cell in cells])
    return table


def _visible(text: str) -> str:
    """One line with its indentation, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)
