"""Problem folders as a run leaves them, and the nights after it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from runner.contract import Cost, Environment, Evaluation, Outcome, sha256_hex
from runner.night_record import KernelNight, NightBaseline, NightTiming, history_line
from runner.problem import Problem, problem_digest
from runner.results import Results, write_results
from tests.fakes.measured import N, measured

SOURCE = '"""Twice the input."""\n\n\ndef double_it(x):\n    return x + x\n'
GPU = Environment(
    gpu="NVIDIA H200",
    driver="580.159.04",
    cuda="13.0",
    torch="2.11.0",
    triton="3.6.0",
    python="3.12.3",
    sandbox="bubblewrap",
)


def results_of(problem: Problem, evaluation: Evaluation | None = None, **fields: Any) -> Results:
    """The results of a run that ended with `evaluation`, on a GPU."""
    usual: dict[str, Any] = {
        "problem": problem.name,
        "problem_sha256": problem_digest(problem.toml_text, problem.reference_text),
        "outcome": Outcome.UNSOLVED if evaluation is None else Outcome.IMPROVED,
        "stopped_because": "the time was up",
        "model": "handwritten",
        "generation": 0,
        "best_attempt": None if evaluation is None else 1,
        "evaluation": evaluation,
        "parent": None,
        "environment": GPU,
        "cost": Cost(wall_s=119.0, model_s=1.0, verifier_s=71.0),
        "attempts": (),
    }
    return Results(**{**usual, **fields})


def judged(source: str = SOURCE, **fields: Any) -> Evaluation:
    """A measured verdict that is about `source`."""
    return measured(candidate_sha256=sha256_hex(source), **fields)


def write_folder(
    folder: Path, problem: Problem, results: Results | None, source: str | None = SOURCE
) -> Path:
    """The files of one kernel. Without results or source there is none of that file."""
    folder.mkdir(parents=True)
    (folder / "problem.toml").write_text(problem.toml_text)
    (folder / "reference.py").write_text(problem.reference_text)
    if results is not None:
        (folder / "results.json").write_text(write_results(results))
    if source is not None:
        (folder / "kernel.py").write_text(source)
    return folder


def night(day: int, *, kernel: str = "double_it", ratio: float = 2.0, **fields: Any) -> KernelNight:
    """A night of March 2026 that passed, timed against torch.compile and eager."""
    rows = tuple(
        NightBaseline(
            name=name, median_ms=factor, ratio=factor, low=factor * 0.98, high=factor * 1.02
        )
        for name, factor in (("eager", 2 * ratio), ("compile", ratio))
    )
    timed = NightTiming(
        workload=N, median_ms=1.0, baselines=rows, speed=1.0, speed_low=0.99, speed_high=1.01
    )
    usual: dict[str, Any] = {
        "night": date(2026, 3, day),
        "kernel": kernel,
        "kernel_sha256": sha256_hex(SOURCE),
        "environment": GPU,
        "status": "passed",
        "evaluation_status": "PASSED",
        "timings": (timed,),
        "runs": 1,
    }
    return KernelNight(**{**usual, **fields})


def failed_night(day: int, summary: str = "y: 15 of 77 elements wrong") -> KernelNight:
    """A night on which the verifier said no, twice."""
    return night(
        day,
        status="failed",
        evaluation_status="INCORRECT_NUMERICAL",
        timings=(),
        runs=2,
        failure={"stage": "sweep", "summary": summary, "workload": N},
    )


def idle_night(day: int) -> KernelNight:
    """A night that was cut short before this kernel's turn."""
    return night(
        day,
        status="not run",
        evaluation_status=None,
        environment=None,
        timings=(),
        runs=0,
        kernel_sha256=None,
        notes=("the night was cut short",),
    )


def write_history(path: Path, nights: Iterable[KernelNight]) -> Path:
    path.write_text("".join(map(history_line, nights)))
    return path
