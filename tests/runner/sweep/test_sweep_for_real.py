"""The command as a user runs it: its own workers, and the verifier's word on each kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.sweep.results import SweepResults
from tests.fakes.sweep_suite import RUNS, TABLE, kernel, write

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["bias"], id="one"),  # a parameter of the model, and a constructor
        pytest.param(list(TABLE), id="all", marks=pytest.mark.matrix),
    ],
)
def test_recorded_answers_are_judged_in_the_sandbox(names: list[str], tmp_path: Path) -> None:
    suite, out = write(tmp_path, names), tmp_path / "out"
    given = ["sweep", str(suite.suite), "--model", suite.model, "--out", str(out)]
    given += ["--budget", "15m", "--allow-no-sandbox"]
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("KERNELWRIGHT_", "OPENAI_", "TRITON_", "CUDA_VISIBLE"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "runner", *given],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(names)} of {len(names)} solved" in done.stderr
    found = SweepResults.model_validate_json((out / "sweep.json").read_text())
    assert {row.run: row.attempts for row in found.problems} == {
        RUNS[name]: 2 if name in suite.wrong_first else 1 for name in names
    }
    for name in names:
        assert (out / "kernels" / RUNS[name] / "kernel.py").read_text() == kernel(name)
        assert "PASSED" in (out / "logs" / f"{RUNS[name]}.log").read_text()
