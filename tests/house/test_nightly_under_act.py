"""`nightly.yml` itself, run by act on this machine; only checkout and upload are stood in for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runner.night_record import Night
from runner.verifier.sandbox import open_sandbox
from tests.fakes.act_runs import Act, fake_python, make_act

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "nightly.yml"
PROBLEM = Path(__file__).parent / "scaled_add"
PINNED, NEWEST = "kernelwright-night-pinned-1", "kernelwright-night-newest-1"
# Takes the place of `python`, and makes a virtual environment that has itself in it.
FAKE_PYTHON = """\
#!/usr/bin/env bash
set -eu
case "$1 $2" in
"-m venv")
    mkdir -p "$4/bin" "$4/site"
    cp "$0" "$4/bin/python"
    ;;
"-m pip") echo "$*" > "$RUNNER_TEMP/pip.txt" ;;
"-c "*) case "$2" in *addsitedir*) echo "import site" ;; *) echo "${0%/bin/python}/site" ;; esac ;;
"-m runner")
    [ "$PYTHONSAFEPATH" = 1 ]
    mkdir -p "$6"
    echo "$0" > "$6/python.txt"
    echo "${*:3}" > "$6/arguments.txt"
    cat "$RUNNER_TEMP/pip.txt" > "$6/pip.txt" 2> /dev/null || true
    exit CODE
    ;;
*) exit 3 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What every checkout finds: one problem folder, and earlier nights."""
    folder = tmp_path / "commit" / "problems" / "scaled_add"
    folder.mkdir(parents=True)
    for path in PROBLEM.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "commit" / "nights").mkdir()
    return tmp_path / "commit"


@pytest.fixture
def act(tmp_path: Path, checkout: Path) -> Act:
    return make_act(tmp_path, WORKFLOW, checkout)


def test_both_legs_judge_every_kernel_and_hand_back_their_night(act: Act, tmp_path: Path) -> None:
    # Exit code 1: there is something to look at, which is a night too.
    ran = act.run({}, path=fake_python(tmp_path, FAKE_PYTHON.replace("CODE", "1")))

    assert ran.exit_code == 0, ran.log
    assert "checked out kernelwright-data" in ran.log
    assert {path.name for path in ran.artifacts.iterdir()} == {PINNED, NEWEST}
    pinned, newest = ran.artifacts / PINNED, ran.artifacts / NEWEST
    said = (pinned / "arguments.txt").read_text()
    assert said.startswith("reverify ")
    assert "/repository/problems --out " in said
    assert " --leg pinned --shard 1/1 --commit " in said
    assert " --time-budget 90m --device cuda --history " in said
    assert said.rstrip().endswith("/history/nights")
    # The newest versions are installed beside the machine's own, and used by that leg alone.
    assert (pinned / "python.txt").read_text().strip() == str(tmp_path / "bin" / "python")
    assert (newest / "python.txt").read_text().strip().endswith("/newest/bin/python")
    assert (
        newest / "pip.txt"
    ).read_text().strip() == "-m pip install --quiet --upgrade torch triton"
    assert " --leg newest " in (newest / "arguments.txt").read_text()


def test_a_night_that_the_machine_cannot_begin_fails_and_hands_back_nothing(
    act: Act, tmp_path: Path
) -> None:
    ran = act.run({}, path=fake_python(tmp_path, "#!/bin/sh\necho no sandbox >&2\nexit 2\n"))

    assert ran.exit_code != 0
    assert "no sandbox" in ran.log
    assert not ran.artifacts.exists()


def test_a_night_that_is_cut_short_hands_back_what_is_there(act: Act, tmp_path: Path) -> None:
    ran = act.run({}, path=fake_python(tmp_path, FAKE_PYTHON.replace("CODE", "2")))

    assert ran.exit_code != 0
    assert (ran.artifacts / PINNED / "arguments.txt").exists()


def test_a_link_to_elsewhere_is_not_followed(act: Act, checkout: Path, tmp_path: Path) -> None:
    (checkout / "problems" / "scaled_add" / "baseline.py").symlink_to("/etc/passwd")

    ran = act.run({}, path=fake_python(tmp_path, FAKE_PYTHON.replace("CODE", "0")))

    assert ran.exit_code != 0
    assert "has links in it" in ran.log


def test_the_real_runner_makes_a_night(act: Act, checkout: Path) -> None:
    variables = {"KERNELWRIGHT_NIGHT_DEVICE": "cpu"}
    if open_sandbox(allow_none=True).kind == "none":
        variables["KERNELWRIGHT_ALLOW_NO_SANDBOX"] = "1"

    ran = act.run(
        {},
        variables=variables,
        path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        matrix="leg:pinned",
        limit_s=180,
    )

    assert ran.exit_code == 0, ran.log
    night = Night.model_validate_json((ran.artifacts / PINNED / "night.json").read_text())
    (row,) = night.kernels
    assert (row.kernel, row.evaluation_status, night.complete) == ("scaled_add", "PASSED", True)
    assert row.status.value == "not comparable"
    assert row.notes == (
        "the folder has no test_kernel.py", "speed: no verdict, nothing is recorded",
    )  # fmt: skip
