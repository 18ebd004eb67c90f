"""Sweeps as tests start them, and what they leave, read back."""

from __future__ import annotations

from pathlib import Path

from runner.sweep.results import ProblemRow, SweepResults
from tests.fakes.sweep_suite import RUNS, Recorded

MADE = ("sweep.json", "report.html", "solved.svg", "speedups.svg")
# A few of the suite's problems, in its order; the fourth is answered wrong at first.
FEW = ["relu", "row_sum", "dot", "bias", "silu"]

_NAMES = {run: name for name, run in RUNS.items()}


def arguments(suite: Recorded, out: Path, *more: str) -> tuple[str, ...]:
    base = ("sweep", str(suite.suite), "--model", suite.model, "--budget", "15m")
    return (*base, "--out", str(out), *more)


def results(out: Path) -> SweepResults:
    return SweepResults.model_validate_json((out / "sweep.json").read_text())


def journals(out: Path) -> dict[str, bytes]:
    """By the problem's name in the suite's table."""
    return {
        _NAMES[path.parent.name]: path.read_bytes() for path in out.glob("runs/*/journal.jsonl")
    }


def by_name(found: SweepResults) -> dict[str, ProblemRow]:
    return {_NAMES[row.run]: row for row in found.problems}


def made(out: Path) -> dict[str, bytes]:
    """Every file that a sweep makes, by its place."""
    kernels = sorted(out.glob("kernels/*/*"))
    return {str(p.relative_to(out)): p.read_bytes() for p in [*(out / n for n in MADE), *kernels]}
