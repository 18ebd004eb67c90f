"""`python -m runner reverify`: its arguments, what it prints, its exit codes, and a termination."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from runner.cli import main
from runner.contract import Candidate
from runner.night_record import Night
from runner.nightly import command
from runner.nightly.reverify import Judged
from runner.problem import Problem
from tests.fakes.night_simulation import Event, SimulatedGpu, write_kernel


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    for name in ("alpha", "beta"):
        write_kernel(tmp_path / "problems", name, SimulatedGpu(random=random.Random(1)))
    return tmp_path / "problems"


@pytest.fixture
def reverify(problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command with a simulated GPU: the exit code."""

    def run(*arguments: str, events: tuple[Event, ...] = (), judge: Any = None) -> int:
        gpu = judge or SimulatedGpu(random=random.Random(2), events=events, night=0)
        monkeypatch.setattr(command, "FreshJudge", lambda options: gpu)
        given = ["reverify", str(problems), "--out", str(tmp_path / "night"), "--device", "cpu"]
        return main([*given, *arguments])

    return run


def read_night(tmp_path: Path) -> Night:
    return Night.model_validate_json((tmp_path / "night" / "night.json").read_text())


def test_a_good_night_ends_well_and_says_a_line_for_each_kernel(
    reverify: Any, tmp_path: Path, capsys: Any
) -> None:
    assert reverify("--leg", "newest", "--commit", "a" * 40) == 0
    night = read_night(tmp_path)
    assert (night.leg, night.shard, night.commit, night.complete) == (
        "newest", "1/1", "a" * 40, True,
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["alpha: passed", "beta: passed", f"{night.night} newest 1/1: 2 passed"]


def test_a_night_with_something_to_look_at_says_so(reverify: Any, capsys: Any) -> None:
    assert reverify(events=(Event(kernel="beta", first=0, end=1, wrong=True),)) == 1
    assert "beta: failed: y is wrong on N=77, normal inputs" in capsys.readouterr().out


def test_a_shard_is_judged_alone(reverify: Any, tmp_path: Path) -> None:
    assert reverify("--shard", "2/2") == 0
    assert [row.kernel for row in read_night(tmp_path).kernels] == ["beta"]


def test_no_time_left_is_not_a_good_night(reverify: Any, tmp_path: Path) -> None:
    assert reverify("--time-budget", "0.000001s") == 1
    assert {row.status.value for row in read_night(tmp_path).kernels} == {"not run"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--shard", "3/2"), "not a part"),
        (("--shard", "0/2"), "not a part"),
        (("--shard", "2"), "not a part"),
        (("--leg", "../x"), "not a name"),
        (("--commit", "main"), "not a commit"),
        (("--time-budget", "soon"), "not a time"),
        (("--history", "/nowhere.jsonl"), "cannot read the history"),
    ],
    ids=str,
)
def test_misuse_is_told_and_writes_nothing(
    reverify: Any, tmp_path: Path, capsys: Any, arguments: tuple[str, ...], words: str
) -> None:
    assert reverify(*arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "night").exists()


def test_a_job_that_is_terminated_leaves_what_was_done(
    reverify: Any, tmp_path: Path, capsys: Any
) -> None:
    class Terminated(SimulatedGpu):
        def judge(self, problem: Problem, candidate: Candidate) -> Judged:
            if self.judged:
                os.kill(os.getpid(), signal.SIGTERM)
            return SimulatedGpu.judge(self, problem, candidate)

    before = signal.getsignal(signal.SIGTERM)
    assert reverify(judge=Terminated(random=random.Random(2), night=0)) == 2
    assert [row.status.value for row in read_night(tmp_path).kernels] == ["passed", "not run"]
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
