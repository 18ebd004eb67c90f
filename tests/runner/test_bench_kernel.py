"""bench_kernel.py as a folder has it: figures land where pytest-benchmark's own tools look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.folder import render_template
from runner.problem import load_problem
from tests.bench.agreement import medians_of
from tests.fakes.scaled_sum import BASELINE, REFERENCE, TOML

ROOT = Path(__file__).parents[2]
TWO_SIZES = TOML + "[[benchmarks]]\nN = 16384\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A problem folder whose kernel runs anywhere."""
    for file, text in (
        ("problem.toml", TWO_SIZES),
        ("reference.py", REFERENCE),
        ("baseline.py", BASELINE),
        ("kernel.py", "def scaled_sum(a, b):\n    return a.add(b, alpha=2)\n"),
    ):
        (tmp_path / file).write_text(text)
    bench = render_template("bench_kernel.py", load_problem(tmp_path))
    (tmp_path / "bench_kernel.py").write_text(bench)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # A pytest of its own, and not one of the processes that the tests here are shared among.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "bench_kernel.py")


def test_without_a_gpu_nothing_is_timed_and_it_says_so(folder: Path) -> None:
    done = run(folder, *PYTEST, "-rs", "--benchmark-json=out.json")
    assert done.returncode == 0, done.stdout
    assert "6 skipped" in done.stdout
    assert "not measured: no GPU" in done.stdout
    report = folder / "out.json"
    assert not report.exists() or json.loads(report.read_text() or "{}").get("benchmarks", []) == []


def test_figures_are_in_groups_by_workload_and_can_be_compared(folder: Path) -> None:
    pretend = ("-p", "tests.fakes.pretend_gpu")
    done = run(folder, *PYTEST, *pretend, "--benchmark-json=one.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (folder / "one.json").read_text()
    (folder / "two.json").write_text(report)
    medians = medians_of(report)
    workloads, names = ("N=4096", "N=16384"), ("kernel", "eager", "by_hand")
    assert set(medians) == {(workload, name) for workload in workloads for name in names}
    assert all(0 < median_ms < 1000 for median_ms in medians.values())
    assert {row["stats"]["rounds"] for row in json.loads(report)["benchmarks"]} == {100}
    tool = str(Path(sys.executable).with_name("pytest-benchmark"))
    command = [tool, "compare", "one.json", "two.json"]
    compared = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.count("benchmark 'N=4096'") == 1
    assert compared.stdout.count("by_hand") == 4
