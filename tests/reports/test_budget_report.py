"""The multiplier that the report says is the one at which the verifier's comparison turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from runner.verifier.comparison import compare
from runner.verifier.numerics import expect
from tests.bench import budget_report

PROBLEM = Path(__file__).parents[2] / "problems" / "causal_attention_backward"


@pytest.mark.parametrize("times", [3.0, 40.0])
def test_the_figure_is_where_the_comparison_turns(times):
    exact = torch.randn(64, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = expect(exact, exact * (1 + 2e-3), exact)
    found = exact * (1 + 2e-3 * times)
    said = float(budget_report.need(found, expected))
    assert said == pytest.approx(times, rel=0.1)
    assert compare(found, expected, said * 1.1).passed
    assert not compare(found, expected, said * 0.9).passed


def test_no_figure_where_no_multiplier_would_do_and_none_where_all_is_rounding():
    exact = torch.ones(8, 8, dtype=torch.float64)
    expected = expect(exact, exact.half(), exact)
    assert budget_report.need(exact.half(), expected) == "0"
    assert budget_report.need(torch.full((8, 8), torch.nan).half(), expected) == "none"


def test_report_of_a_baseline_and_of_a_kernel_beside_it():
    """In a process of its own: without a GPU the report sets Triton to interpret for good."""
    given = [PROBLEM, "--baselines", "sdpa", "--kernel", "kernel.py", "--workload"]
    given += ["B=1,H=1,S=65,D=64"]
    done = subprocess.run(
        [sys.executable, budget_report.__file__, *given, "--distributions", "normal,large"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, normal, large = done.stdout.splitlines()
    assert [normal.split(" | ")[0], large.split(" | ")[0]] == ["| normal", "| large"]
    for cell in normal.strip("| ").split(" | ")[2:]:
        assert len(cell.split(", ")) == 3
        assert all(float(need) < 8 for need in cell.split(", "))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([str(PROBLEM), "--baselines", "nobody"], "nobody"),
        ([str(PROBLEM), "--distributions", "normal,odd"], "odd"),
        ([str(PROBLEM / "nowhere")], "there is no folder"),
        ([str(PROBLEM.parents[1] / "tests")], "problem.toml"),
    ],
)
def test_what_is_not_there_is_one_line(given, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["report", *given])
    with pytest.raises(SystemExit):
        budget_report.main()
    assert said in capsys.readouterr().err
