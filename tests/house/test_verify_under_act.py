"""`verify.yml` itself, run by act on this machine; only checkout and upload are stood in for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from runner.verifier.sandbox import open_sandbox
from tests.fakes.act_runs import Act, Ran, fake_python, make_act

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "verify.yml"
PROBLEM = Path(__file__).parent / "scaled_add"
INPUTS = {
    "request_id": "kw-0123456789abcdef",
    "head_sha": "0123456789abcdef0123456789abcdef01234567",
    "problem": "problems/scaled_add",
}
ARTIFACT = "kernelwright-verify-kw-0123456789abcdef"
# Takes the place of `python` where the test is about the workflow, not about the verdict.
FAKE_PYTHON = """\
#!/usr/bin/env bash
set -eu
[ "$1 $2 $3" = "-m runner verify" ]
[ "$5 $6 $7" = "--json --html $RUNNER_TEMP/out/page/verdict.html" ]
[ "$PYTHONSAFEPATH" = 1 ]
ls "$4" > "$RUNNER_TEMP/out/page/verdict.html"
echo '{"status": "PASSED"}'
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The commit: one problem folder."""
    folder = tmp_path / "commit" / "problems" / "scaled_add"
    folder.mkdir(parents=True)
    for path in PROBLEM.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return tmp_path / "commit"


@pytest.fixture
def act(tmp_path: Path, checkout: Path) -> Act:
    return make_act(tmp_path, WORKFLOW, checkout)


def refused(ran: Ran, word: str) -> bool:
    return ran.exit_code != 0 and word in ran.log and not ran.artifacts.exists()


def test_the_head_is_verified_and_the_verdict_handed_back(act: Act, tmp_path: Path) -> None:
    ran = act.run(INPUTS, path=fake_python(tmp_path, FAKE_PYTHON))

    assert ran.exit_code == 0, ran.log
    assert f"checked out {INPUTS['head_sha']}" in ran.log
    # One file, so that its reader need not choose.
    (verdict,) = (ran.artifacts / ARTIFACT).iterdir()
    assert verdict.name == "verdict.json"
    assert json.loads(verdict.read_text()) == {"status": "PASSED"}
    page = (ran.artifacts / f"{ARTIFACT}-page" / "verdict.html").read_text()
    assert page.split() == ["kernel.py", "problem.toml", "reference.py"]


def test_any_verdict_ends_the_run_well(act: Act, tmp_path: Path) -> None:
    ran = act.run(INPUTS, path=fake_python(tmp_path, FAKE_PYTHON + "exit 1\n"))

    assert ran.exit_code == 0, ran.log
    assert (ran.artifacts / ARTIFACT / "verdict.json").exists()


def test_no_verdict_fails_the_run_and_uploads_nothing(act: Act, tmp_path: Path) -> None:
    ran = act.run(INPUTS, path=fake_python(tmp_path, "#!/bin/sh\necho no sandbox >&2\nexit 2\n"))

    assert refused(ran, "no sandbox")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("head_sha", "main", "head_sha is not a commit"),
        ("head_sha", "0" * 40 + "\nx", "head_sha is not a commit"),
        ("problem", "--out", "problem is not a path"),
        ("problem", "problems/$(touch x)", "problem is not a path"),
        ("problem", "problems/../../../etc", "not a folder of this commit"),
    ],
)
def test_odd_inputs_reach_no_verifier(
    act: Act, tmp_path: Path, name: str, value: str, word: str
) -> None:
    ran = act.run({**INPUTS, name: value}, path=fake_python(tmp_path, FAKE_PYTHON))

    assert refused(ran, word)


@pytest.mark.parametrize("place", ["problems/scaled_add/baseline.py", "problems/linked"])
def test_a_link_to_elsewhere_is_not_followed(
    act: Act, checkout: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "secret").mkdir()
    (checkout / place).symlink_to(tmp_path / "secret")
    problem = place.removesuffix("/baseline.py")

    ran = act.run({**INPUTS, "problem": problem}, path=fake_python(tmp_path, FAKE_PYTHON))

    assert refused(ran, "has links in it")


def test_the_real_verifier_reaches_a_verdict(act: Act) -> None:
    variables = {}
    if open_sandbox(allow_none=True).kind == "none":
        variables["KERNELWRIGHT_ALLOW_NO_SANDBOX"] = "1"

    ran = act.run(
        INPUTS,
        variables=variables,
        path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        limit_s=180,
    )

    assert ran.exit_code == 0, ran.log
    document = json.loads((ran.artifacts / ARTIFACT / "verdict.json").read_text())
    assert document["status"] == "PASSED"
    assert len(document["evaluations"]) == 1
    page = (ran.artifacts / f"{ARTIFACT}-page" / "verdict.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
