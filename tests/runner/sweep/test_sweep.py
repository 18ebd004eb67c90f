"""`python -m runner sweep` from end to end: replayed, made again, and with problems that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.sweep import command
from tests.fakes import sweep_scene
from tests.fakes.command_line import run
from tests.fakes.suites_looking import keep_specs
from tests.fakes.sweep_runs import FEW, MADE, arguments, by_name, journals, made, results
from tests.fakes.sweep_suite import KEYS, LEVEL_1, LEVEL_2, RUNS, TABLE, Recorded, kernel, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, Path]:
    """All problems of the table, swept once."""
    folder = tmp_path_factory.mktemp("whole")
    suite = write(folder)
    keep_specs(suite.suite)
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
    assert len({row.family for row in TABLE.values()}) >= 12
    assert [row.key for row in found.problems] == [KEYS[name] for name in TABLE]
    assert [row.level for row in found.problems] == [1] * len(LEVEL_1) + [2] * len(LEVEL_2)
    assert {row.state for row in found.problems} == {"solved"}
    assert {n for n, row in by_name(found).items() if row.attempts == 2} == set(suite.wrong_first)
    for name in TABLE:
        assert (out / "kernels" / RUNS[name] / "kernel.py").read_text() == kernel(name)
        evaluation = json.loads((out / "kernels" / RUNS[name] / "evaluation.json").read_text())
        assert evaluation["status"] == "PASSED"


def test_fast_p_counts_the_kernels_above_each_threshold(whole: tuple[Recorded, Path]) -> None:
    one, two, group = results(whole[1]).groups
    assert (one.name, one.problems, two.problems) == ("level 1", len(LEVEL_1), len(LEVEL_2))
    assert group.name == "all levels"
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
    assert f'href="kernels/{RUNS["softmax"]}/kernel.py"' in page


def test_a_problem_whose_worker_dies_is_run_again(
    few: Recorded, faults: Path, tmp_path: Path, capsys: Any
) -> None:
    (faults / "die-dot").touch()
    assert run(*arguments(few, tmp_path / "out")) == 0
    assert not (faults / "die-dot").exists()
    rows = by_name(results(tmp_path / "out"))
    assert {row.state for row in rows.values()} == {"solved"}
    assert "again (2): its worker was lost" in capsys.readouterr().err
    assert rows["dot"].attempts == 1


def test_a_problem_that_cannot_be_judged_is_told_with_its_reason(
    few: Recorded, faults: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (faults / "refuse-dot").touch()
    assert run(*arguments(few, out)) == 1
    rows = by_name(results(out))
    assert (rows["dot"].state, rows["dot"].words) == (
        "failed",
        "the reference gives other values each time",
    )
    assert results(out).groups[-1].fast[0].share == 4 / 5  # it counts as not solved
    assert "the reference gives other values each time" in (out / "report.html").read_text()
    # Mended, it alone is run, and nothing is left of the failure.
    (faults / "refuse-dot").unlink()
    before = journals(out)
    assert run(*arguments(few, out)) == 0
    assert {run: text for run, text in journals(out).items() if run != "dot"} == before
    assert results(out).groups[-1].solved == 5


def test_further_problems_of_the_same_sweep_join_it(few: Recorded, tmp_path: Path) -> None:
    out = tmp_path / "out"
    numbers = {name: KEYS[name].rpartition("/")[2] for name in FEW}
    first = f"{numbers['relu']},{numbers['dot']}"
    assert run(*arguments(few, out, "--problems", first, "--level", "1")) == 0
    assert list(by_name(results(out))) == ["relu", "dot"]
    assert run(*arguments(few, out, "--problems", f"{numbers['row_sum']}-25")) == 0
    assert list(by_name(results(out))) == ["relu", "row_sum", "dot", "bias"]
