"""The files that a sweep makes: `sweep.json`, `report.html`, two pictures, and the kernels.

Owns that they are functions of the plan and the runs' own files: made again they are the same
bytes, whoever made the runs and however often they were interrupted.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.contract import Evaluation
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.sweep.folder import SweepFolder
from runner.sweep.page import render_sweep
from runner.sweep.pictures import draw_solved, draw_speed_ups
from runner.sweep.plan import Plan
from runner.sweep.results import SweepResults, results_of
from runner.sweep.run_record import RunRecord, read_run, solved_kernel

RESULTS, REPORT = "sweep.json", "report.html"
SOLVED_PICTURE, SPEED_PICTURE = "solved.svg", "speedups.svg"
KERNELS, KERNEL, EVALUATION = "kernels", "kernel.py", "evaluation.json"


def make_files(folder: SweepFolder, plan: Plan) -> SweepResults:
    """Write all of them. Raises RunnerError where a run's files are at fault."""
    runs = [read_run(folder, problem.run) for problem in plan.problems]
    results = results_of(plan, runs)
    texts = {
        RESULTS: results.model_dump_json(indent=1) + "\n",
        SOLVED_PICTURE: draw_solved(results),
        SPEED_PICTURE: draw_speed_ups(results),
        REPORT: render_sweep(results),
    }
    try:
        # First the kernels: the report links to them.
        _write_kernels(folder, plan, runs)
        for name, text in texts.items():
            write_atomically(folder.path / name, text)
    except OSError as error:
        raise RunnerError(f"cannot write to {folder.path}: {error.strerror}") from error
    return results


def _write_kernels(folder: SweepFolder, plan: Plan, runs: list[RunRecord]) -> None:
    root = folder.path / KERNELS
    root.mkdir(exist_ok=True)
    written = set()
    for problem, run in zip(plan.problems, runs, strict=True):
        kernel = solved_kernel(folder, problem.run, run)
        if kernel is None or run.evaluation is None:
            continue
        _write_kernel(root / problem.run, kernel.source, run.evaluation)
        written.add(problem.run)
    for old in root.iterdir():
        if old.name not in written and old.is_dir():
            shutil.rmtree(old)


def _write_kernel(place: Path, source: str, evaluation: Evaluation) -> None:
    place.mkdir(exist_ok=True)
    write_atomically(place / KERNEL, source)
    write_atomically(place / EVALUATION, evaluation.model_dump_json(indent=1) + "\n")
