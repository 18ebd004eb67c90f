"""The `verify` command: one kernel, one verdict, for a person, as JSON, or as a page.

Owns what is printed on stdout. With `as_json` that is one JSON object and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from runner.contract import Candidate, Environment, Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.html_report import Page, render_page
from runner.kernel_file import read_candidate
from runner.problem import Problem
from runner.terminal import open_console, print_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the command line asks for. `device` None: the GPU where there is one."""

    problem: Problem
    kernel: Path
    device: Literal["cpu", "cuda"] | None
    quick: bool
    as_json: bool
    html: Path | None
    timeout_s: float
    allow_no_sandbox: bool


def run_verification(asked: Verification) -> bool:
    """Judge the kernel and print the verdict. True only when it PASSED. Raises RunnerError."""
    if asked.html is not None:
        _check_place(asked.html)
    started_s = time.monotonic()
    read = read_candidate(asked.kernel, asked.device or "cpu")
    evaluation, environment = (read, None) if isinstance(read, Evaluation) else _judge(asked, read)
    seconds = {**evaluation.stage_s, "total": time.monotonic() - started_s}
    if asked.as_json:
        document = verdict_document(asked.problem, evaluation, seconds, environment)
        json.dump(document, sys.stdout)
        sys.stdout.write("\n")
    else:
        print_verdict(open_console(), asked.problem.name, evaluation, seconds["total"])
        if environment is not None and environment.sandbox == "none":
            print("sandbox: none: the kernel could read what you can read")
    # After the verdict is told: a disk that is full takes the page away, not the minutes.
    if asked.html is not None:
        page = Page(
            problem=asked.problem,
            source="" if isinstance(read, Evaluation) else read.source,
            evaluation=evaluation,
            environment=environment,
            quick=asked.quick,
            made_at=datetime.now(UTC),
        )
        _write(asked.html, render_page(page))
        if not asked.as_json:
            print(f"written: {asked.html}")
    return evaluation.status is EvaluationStatus.PASSED


def verdict_document(
    problem: Problem,
    evaluation: Evaluation,
    seconds: dict[str, float],
    environment: Environment | None = None,
) -> dict[str, Any]:
    """What `--json` prints of a verdict."""
    return {
        "status": evaluation.status,
        "problem": problem.name,
        "device": evaluation.device,
        "evaluations": [evaluation.model_dump(mode="json")],
        "environment": None if environment is None else environment.model_dump(mode="json"),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _judge(asked: Verification, candidate: Candidate) -> tuple[Evaluation, Environment]:
    """The verdict, and where it was reached."""
    # Imported late: torch takes seconds, and a mistyped command should not.
    from runner.environment import choose_device, collect_environment
    from runner.verifier import Verifier, VerifyOptions

    device = choose_device(asked.device)
    options = VerifyOptions(
        device=device,
        quick=asked.quick,
        allow_no_sandbox=asked.allow_no_sandbox,
        timeout_s=asked.timeout_s,
    )
    with Verifier(asked.problem, options) as verifier:
        evaluation = verifier.verify(candidate)
        return evaluation, collect_environment(device=device, sandbox=verifier.sandbox)


def _check_place(path: Path) -> None:
    """Before the minutes of a verdict, not after them. Raises RunnerError."""
    if not path.parent.is_dir():
        raise RunnerError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise RunnerError(f"cannot write {path}: it is a folder")


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text)
    except OSError as error:
        raise RunnerError(f"cannot write {path}: {error.strerror}") from error
