"""`python -m runner sweep` from end to end: replayed, made again, and with problems that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.sweep import command
from tests.fakes import sweep_scene
from tests.fakes.command_line import run
from tests.fakes.sweep_runs import MADE, arguments, journals, made, results
from tests.fakes.sweep_suite import TABLE, Recorded, kernel, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, Path]:
    """All problems of the table, swept once."""
    folder = tmp_path_factory.mktemp("whole")
    suite = write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "open_executor", sweep_scene.local_executor)
        patch.delenv("KERNELWRIGHT_MODEL", raising=False)
        assert run(*arguments(suite, folder / "out")) == 0
    return suite, folder / "out"


def test_thirty_problems_of_twelve_families_replay_from_end_to_end(
    whole: tuple[Recorded, Path],
) -> None:
    suite, out = whole
    found = results(out)
    assert len(TABLE) >= 30
    assert len({family for family, *_ in TABLE.values()}) >= 12
    assert [row.key for row in found.problems] == sorted(TABLE)
    assert {row.state for row in found.problems} == {"solved"}
    assert {row.run for row in found.problems if row.attempts == 2} == set(suite.wrong_first)
    for name in TABLE:
        assert (out / "kernels" / name / "kernel.py").read_text() == kernel(name)
        evaluation = json.loads((out / "kernels" / name / "evaluation.json").read_text())
        assert evaluation["status"] == "PASSED"


def test_fast_p_counts_the_kernels_above_each_threshold(whole: tuple[Recorded, Path]) -> None:
    (group,) = results(whole[1]).groups
    # By the scene: 0.75 + place / 10 times eager, and 0.5 + place / 20 times torch.compile.
    ratios = {
        "eager": [0.75 + place / 10 for place in range(len(TABLE))],
        "compile": [0.5 + place / 20 for place in range(len(TABLE))],
    }
    for fast in group.fast:
        above = sum(ratio > fast.p + 1e-9 for ratio in ratios[fast.baseline])
        assert fast.count == (len(TABLE) if fast.p == 0 else above), fast
        assert fast.share == fast.count / len(TABLE)
    assert {fast.p for fast in group.fast} == {0.0, 0.5, 0.8, 1.0, 1.5, 2.0}


def test_files_made_again_from_the_journals_are_the_same_bytes(
    whole: tuple[Recorded, Path],
) -> None:
    suite, out = whole
    before, runs = made(out), journals(out)
    assert len(before) == len(MADE) + 2 * len(TABLE)
    for name in before:
        (out / name).unlink()
    assert run(*arguments(suite, out)) == 0
    assert made(out) == before
    assert journals(out) == runs  # nothing was run again


def test_the_report_shows_both_pictures_and_loads_nothing(whole: tuple[Recorded, Path]) -> None:
    page = (whole[1] / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert 'href="kernels/softmax/kernel.py"' in page


def test_a_problem_whose_worker_dies_is_run_again(
    few: Recorded, faults: Path, tmp_path: Path, capsys: Any
) -> None:
    (faults / "die-dot").touch()
    assert run(*arguments(few, tmp_path / "out")) == 0
    assert not (faults / "die-dot").exists()
    assert {row.state for row in results(tmp_path / "out").problems} == {"solved"}
    assert "again (2): its worker was lost" in capsys.readouterr().err
    attempts = {row.run: row.attempts for row in results(tmp_path / "out").problems}
    assert attempts["dot"] == 1


def test_a_problem_that_cannot_be_judged_is_told_with_its_reason(
    few: Recorded, faults: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (faults / "refuse-dot").touch()
    assert run(*arguments(few, out)) == 1
    rows = {row.run: row for row in results(out).problems}
    assert (rows["dot"].state, rows["dot"].words) == (
        "failed",
        "the reference gives other values each time",
    )
    assert results(out).groups[0].fast[0].share == 4 / 5  # it counts as not solved
    assert "the reference gives other values each time" in (out / "report.html").read_text()
    # Mended, it alone is run, and nothing is left of the failure.
    (faults / "refuse-dot").unlink()
    before = journals(out)
    assert run(*arguments(few, out)) == 0
    assert {run: text for run, text in journals(out).items() if run != "dot"} == before
    assert results(out).groups[0].solved == 5


def test_further_problems_of_the_same_sweep_join_it(few: Recorded, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(*arguments(few, out, "--problems", "1-2")) == 0
    assert [row.key for row in results(out).problems] == ["add_bias", "dot"]
    assert run(*arguments(few, out, "--problems", "2,4-5")) == 0
    assert [row.key for row in results(out).problems] == ["add_bias", "dot", "row_sum", "silu"]
