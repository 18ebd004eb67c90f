"""The `verify` command: one kernel, one verdict, for a person or as JSON.

Owns what is printed on stdout. With `as_json` that is one JSON object and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner.contract import (
    NOT_MEASURED,
    Candidate,
    Evaluation,
    EvaluationStatus,
    sha256_hex,
)
from runner.errors import RunnerError
from runner.feedback import findings
from runner.markdown import error_text
from runner.one_line import one_line
from runner.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the command line asks for."""

    problem: Problem
    kernel: Path
    as_json: bool
    timeout_s: float
    allow_no_sandbox: bool


def run_verification(asked: Verification) -> bool:
    """Judge the kernel and print the verdict. True only when it PASSED. Raises RunnerError."""
    from runner.verifier import Verifier, VerifyOptions

    try:
        data = asked.kernel.read_bytes()
    except OSError as error:
        raise RunnerError(f"cannot read {asked.kernel}: {error.strerror}") from error
    started_s = time.monotonic()
    evaluation = _not_text(data)
    if evaluation is None:
        options = VerifyOptions(allow_no_sandbox=asked.allow_no_sandbox, timeout_s=asked.timeout_s)
        with Verifier(asked.problem, options) as verifier:
            evaluation = verifier.verify(Candidate.of(data.decode("utf-8"), 1))
    seconds = {**evaluation.stage_s, "total": time.monotonic() - started_s}
    if asked.as_json:
        json.dump(_document(asked.problem, evaluation, seconds), sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        _print(Console(), asked.problem, evaluation, seconds)
    return evaluation.status is EvaluationStatus.PASSED


def _not_text(data: bytes) -> Evaluation | None:
    """The verdict on bytes that are no text: a candidate's fault, so a verdict and no error."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Evaluation(
            status=EvaluationStatus.REJECTED,
            candidate_sha256=sha256_hex(data),
            device="cpu",
            stage="screen",
            summary=f"The kernel file is not UTF-8 text (byte {error.start}).",
        )
    return None


def _document(
    problem: Problem, evaluation: Evaluation, seconds: dict[str, float]
) -> dict[str, object]:
    return {
        "status": evaluation.status,
        "problem": problem.name,
        "device": evaluation.device,
        "evaluations": [evaluation.model_dump(mode="json")],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _print(
    console: Console, problem: Problem, evaluation: Evaluation, seconds: dict[str, float]
) -> None:
    passed = evaluation.status is EvaluationStatus.PASSED
    line = Text.assemble(
        (str(evaluation.status), "bold green" if passed else "bold red"),
        f"  {problem.name}  on {evaluation.device}  stage {evaluation.stage}  "
        f"{seconds['total']:.1f} s",
    )
    console.print(line)
    told = one_line(evaluation.summary) if passed else findings(evaluation)
    # Text, not markup, and no control characters: the detail can quote the candidate.
    console.print(Text("\n".join(_visible(line) for line in told.splitlines())))
    if evaluation.correctness is not None:
        console.print(_correctness(evaluation))
    if evaluation.resources:
        console.print(_resources(evaluation))
    if evaluation.performance is None:
        console.print(f"speed: {NOT_MEASURED}")


def _visible(text: str) -> str:
    """One line with its indentation, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


def _correctness(evaluation: Evaluation) -> Table:
    table = Table(title="errors against float64, beside their budgets", title_justify="left")
    for title in ("workload", "inputs", "output", "largest", "budget", "RMS", "budget"):
        table.add_column(title)
    for case in evaluation.correctness.cases if evaluation.correctness else ():
        style = None if case.within_budget else "red"
        table.add_row(
            str(case.workload),
            case.distribution,
            case.output,
            error_text(case.max_error),
            error_text(case.max_budget),
            error_text(case.rms_error),
            error_text(case.rms_budget),
            style=style,
        )
    return table


def _resources(evaluation: Evaluation) -> Table:
    table = Table(title="compiled kernels", title_justify="left")
    for title in ("kernel", "workload", "target", "registers", "spilled", "shared", "warps"):
        table.add_column(title)
    for row in evaluation.resources:
        table.add_row(
            Text(one_line(row.kernel)),
            str(row.workload),
            row.target,
            str(row.registers),
            f"{row.spill_bytes} B",
            f"{row.shared_bytes:,} B",
            str(row.num_warps),
        )
    return table
