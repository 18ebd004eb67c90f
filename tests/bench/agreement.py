"""Whether pytest-benchmark's medians agree with the verifier's, on a CUDA GPU.

Owns the comparison: each problem's kernel is judged and timed by the verifier, then timed by the
folder's own bench_kernel.py, and the two medians of each workload may differ by LIMIT.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from runner.contract import Candidate, EvaluationStatus, WorkloadTiming
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions

LIMIT = 0.03
KERNEL = "kernel"
_ROOT = Path(__file__).resolve().parents[2]
Medians = dict[tuple[str, str], float]  # (workload, name) → milliseconds


def agreement(found: dict[str, Any], problems: Path) -> bool:
    """Print a row for each problem, workload and function; True where every kernel agrees."""
    rows = []
    print("| problem | workload | function | verifier, ms | pytest-benchmark, ms | ratio |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for folder in sorted(path for path in problems.iterdir() if (path / "kernel.py").exists()):
        judged, benched = judged_medians(folder), benched_medians(folder)
        for (workload, name), verifier_ms in judged.items():
            bench_ms = benched[workload, name]
            ratio = bench_ms / verifier_ms
            row = {"problem": folder.name, "workload": workload, "name": name}
            rows.append({**row, "verifier_ms": verifier_ms, "bench_ms": bench_ms, "ratio": ratio})
            mark = " (!)" if name == KERNEL and abs(ratio - 1) > LIMIT else ""
            print(
                f"| {folder.name} | {workload} | {name} | {verifier_ms:.5f} | {bench_ms:.5f} | "
                f"{ratio:.3f}{mark} |",
                flush=True,
            )
    kernels = [abs(row["ratio"] - 1) for row in rows if row["name"] == KERNEL]
    if not kernels:
        sys.exit(f"{problems} has no problem folder with a kernel")
    print(f"\nLargest difference of a kernel: {max(kernels):.1%}; allowed: {LIMIT:.0%}\n")
    found["agreement"] = rows
    return max(kernels) <= LIMIT


def judged_medians(folder: Path) -> Medians:
    """What the verifier measures."""
    candidate = Candidate.of((folder / "kernel.py").read_text(), 1)
    with Verifier(load_problem(folder), VerifyOptions(device="cuda")) as verifier:
        evaluation = verifier.verify(candidate)
    if evaluation.status is not EvaluationStatus.PASSED or evaluation.performance is None:
        sys.exit(f"{folder.name}: {evaluation.status}: {evaluation.summary}")
    return {
        key: median_ms
        for timing in evaluation.performance.timings
        for key, median_ms in _of_workload(timing).items()
    }


def _of_workload(timing: WorkloadTiming) -> Medians:
    workload = str(timing.workload)
    baselines = {(workload, row.name): row.median_ms for row in timing.baselines}
    return {(workload, KERNEL): timing.median_ms, **baselines}


def benched_medians(folder: Path) -> Medians:
    """What the folder's own benchmark measures, from its `--benchmark-json`."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "benchmark.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                   str(folder / "bench_kernel.py"), f"--benchmark-json={report}"]  # fmt: skip
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not report.exists():
            sys.exit(f"{folder.name}: its benchmark failed:\n{done.stdout[-4000:]}{done.stderr}")
        return medians_of(report.read_text())


def medians_of(report: str) -> Medians:
    """The medians in a `--benchmark-json` file, in milliseconds."""
    return {
        (row["group"], row["params"]["name"]): row["stats"]["median"] * 1000
        for row in json.loads(report)["benchmarks"]
    }
