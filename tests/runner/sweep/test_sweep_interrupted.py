"""Sweeps that are stopped, killed, or started twice into one folder."""

from __future__ import annotations

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
from tests.fakes import sweep_scene
from tests.fakes.command_line import one_complaint, run
from tests.fakes.sweep_runs import FEW, arguments, by_name, journals, results
from tests.fakes.sweep_suite import Recorded

ROOT = Path(__file__).parents[3]


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
        states = {name: row.state for name, row in by_name(results(out)).items()}
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
    assert {name: row.attempts for name, row in by_name(found).items()} == {
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
    rows = by_name(results(out))
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
