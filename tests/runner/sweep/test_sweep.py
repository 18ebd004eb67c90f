"""`python -m runner sweep` from end to end: replayed, interrupted, locked out, and made again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.journal import RunResumed, parse_event
from runner.sweep import command
from runner.sweep.results import SweepResults
from tests.fakes import sweep_scene
from tests.fakes.command_line import one_complaint, run
from tests.fakes.sweep_suite import TABLE, Recorded, kernel, write

ROOT = Path(__file__).parents[3]
MADE = ("sweep.json", "report.html", "solved.svg", "speedups.svg")
FEW = ["relu", "silu", "dot", "add_bias", "row_sum"]


@pytest.fixture(autouse=True)
def recorded_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of the scene, also where the command runs in this process."""
    monkeypatch.setattr(command, "open_executor", sweep_scene.local_executor)
    for name in [name for name in os.environ if name.startswith("KERNELWRIGHT_")]:
        monkeypatch.delenv(name)


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


@pytest.fixture
def few(tmp_path: Path) -> Recorded:
    return write(tmp_path, FEW)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `sweep_scene`'s faults."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv(sweep_scene.FAULTS, str(folder))
    return folder


def arguments(suite: Recorded, out: Path, *more: str) -> tuple[str, ...]:
    base = ("sweep", str(suite.suite), "--model", suite.model, "--budget", "15m")
    return (*base, "--out", str(out), *more)


def results(out: Path) -> SweepResults:
    return SweepResults.model_validate_json((out / "sweep.json").read_text())


def journals(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in out.glob("runs/*/journal.jsonl")}


def made(out: Path) -> dict[str, bytes]:
    """Every file that a sweep makes, by its place."""
    kernels = sorted(out.glob("kernels/*/*"))
    return {str(p.relative_to(out)): p.read_bytes() for p in [*(out / n for n in MADE), *kernels]}


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


class Sweeping:
    """A sweep in a process of its own, which hangs at the verdict on one problem."""

    def __init__(self, suite: Recorded, out: Path, faults: Path) -> None:
        command = (sys.executable, str(ROOT / "tests" / "fakes" / "sweep_scene.py"))
        self.process = subprocess.Popen(
            (*command, *arguments(suite, out)),
            cwd=ROOT,
            env={**os.environ, sweep_scene.FAULTS: str(faults)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> str:
        """What it said, to its end."""
        return self.process.communicate(timeout=60)[1]


def wait_until(true: Callable[[], Any]) -> None:
    until_s = time.monotonic() + 40
    while not true():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def hold(faults: Path, name: str) -> None:
    (faults / f"hanging-{name}").unlink(missing_ok=True)
    (faults / f"hang-{name}").touch()


def release(faults: Path, name: str) -> None:
    (faults / f"hang-{name}").unlink(missing_ok=True)


@pytest.fixture
def interrupted(few: Recorded, faults: Path, tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A sweep that was terminated at `dot`, gone on with, and terminated at `silu`."""
    out = tmp_path / "out"
    ended: dict[str, bytes] = {}
    for name in ("dot", "silu"):
        hold(faults, name)
        sweep = Sweeping(few, out, faults)
        wait_until((faults / f"hanging-{name}").exists)
        sweep.process.send_signal(signal.SIGTERM)
        assert "interrupted" in sweep.end()
        release(faults, name)
        assert sweep.process.returncode == 2
        states = {row.run: row.state for row in results(out).problems}
        assert states[name] == "unfinished"
        now = journals(out)
        assert all(now[run] == text for run, text in ended.items())
        ended = {run: now[run] for run, state in states.items() if state == "solved"}
    return out, ended


def test_a_sweep_that_was_interrupted_twice_comes_to_the_same_end(
    interrupted: tuple[Path, dict[str, bytes]], few: Recorded
) -> None:
    out, ended = interrupted
    assert run(*arguments(few, out)) == 0
    found = results(out)
    assert {row.state for row in found.problems} == {"solved"}
    now = journals(out)
    assert ended
    assert all(now[run] == text for run, text in ended.items())  # never run again
    events = [parse_event(line) for line in now["silu"].decode().splitlines()]
    assert any(isinstance(event, RunResumed) for event in events)
    # Each answer was judged as if nothing had happened.
    assert {row.run: row.attempts for row in found.problems} == {
        name: 2 if name in few.wrong_first else 1 for name in FEW
    }


def test_a_sweep_that_was_killed_leaves_no_worker_behind_and_goes_on(
    few: Recorded, faults: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    hold(faults, "dot")
    sweep = Sweeping(few, out, faults)
    wait_until((faults / "hanging-dot").exists)
    sweep.process.kill()
    sweep.end()
    # At once: the worker is still putting its run away, under the same lock.
    release(faults, "dot")
    assert run(*arguments(few, out)) == 0
    rows = {row.run: row for row in results(out).problems}
    assert {row.state for row in rows.values()} == {"solved"}
    assert rows["dot"].attempts == 1


def test_a_second_sweep_on_the_folder_is_refused(
    few: Recorded, faults: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    hold(faults, "relu")
    first = Sweeping(few, out, faults)
    try:
        wait_until((faults / "hanging-relu").exists)
        assert run(*arguments(few, out)) == 2
        assert f"another sweep is writing to {out}" in one_complaint(capsys)
    finally:
        release(faults, "relu")
    first.end()
    assert first.process.returncode == 0
    assert {row.state for row in results(out).problems} == {"solved"}


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


def replaced(given: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    place = given.index(name) + 1
    return (*given[:place], value, *given[place + 1 :])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--budget", "10m"), "its budget is wall_clock_s 900, not wall_clock_s 600"),
        (("--model", "replay:/else/{problem}.jsonl"), "cannot read the transcript"),
    ],
    ids=["budget", "model"],
)
def test_another_sweep_in_the_same_folder_is_refused(
    few: Recorded, tmp_path: Path, capsys: Any, changed: tuple[str, str], words: str
) -> None:
    given = arguments(few, tmp_path / "out", "--problems", "1")
    assert run(*given) == 0
    capsys.readouterr()
    before = made(tmp_path / "out")
    assert run(*replaced(given, *changed)) == 2
    assert words in one_complaint(capsys)
    assert made(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--problems", "6"), "has no problem 6"),
        (("--problems", "3-2"), "ends before it begins"),
        (("--problems", "all"), "not a whole number"),
        (("--level", "1"), "no such problems"),
        (("--executor", "ssh"), "invalid choice"),
        (("--model", "replay:answers.jsonl"), "put {problem} into its path"),
        (("--model", "mailbox:box"), "put {problem} into its path"),
        (("--model", "replay:{problem}.jsonl"), "cannot read the transcript"),
    ],
    ids=str,
)
def test_misuse_is_told_and_leaves_nothing(
    few: Recorded, tmp_path: Path, capsys: Any, more: tuple[str, str], words: str
) -> None:
    assert run(*arguments(few, tmp_path / "out", *more)) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_no_suite_is_told(few: Recorded, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "empty").mkdir()
    for path, words in (("empty", "no folder in it has"), ("nowhere", "it is no folder")):
        given = arguments(few, tmp_path / "out")
        assert run(given[0], str(tmp_path / path), *given[2:]) == 2
        assert words in one_complaint(capsys)


def test_a_folder_with_something_else_in_it_is_refused(
    few: Recorded, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert run(*arguments(few, tmp_path / "out")) == 2
    assert "is not empty and holds no sweep" in one_complaint(capsys)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
