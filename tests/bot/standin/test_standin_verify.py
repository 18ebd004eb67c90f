"""`verify.yml` on the stand-in: the commit that is named is the one that is there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from bot.standin import Person, StandIn

WORKFLOW = Path(__file__).parents[3] / ".github" / "workflows" / "verify.yml"
JUDGE = """
mkdir -p "$RUNNER_TEMP/out/verdict"
cp "repository/$PROBLEM/kernel.py" "$RUNNER_TEMP/out/verdict/verdict.json"
"""


@pytest.fixture
def verified(standin: StandIn, eventually):
    """Dispatches verify.yml for a commit; the run once it has ended."""
    files = {".github/workflows/verify.yml": WORKFLOW.read_bytes(), "README.md": b"k\n"}
    repository = standin.create_repository("octo/verified", files=files)
    standin.runs.command = ["bash", "-ec", JUDGE]
    ada = standin.person("ada", repository, "maintain")

    def verify(head_sha: str):
        inputs = {"request_id": "kw-1", "head_sha": head_sha, "problem": "problems/x"}
        body = {"ref": "main", "inputs": inputs}
        ada.request("POST", "/actions/workflows/verify.yml/dispatches", body)
        run = repository.runs[-1]
        eventually(lambda: run.status == "completed")
        return run

    verify.ada = ada
    return verify


def test_checks_out_the_commit_that_is_named(verified) -> None:
    ada: Person = verified.ada
    first = ada.push_commit("kernel/1-x", {"problems/x/kernel.py": b"first"}, "one")
    ada.push_commit("kernel/1-x", {"problems/x/kernel.py": b"second"}, "two")

    run = verified(first)

    assert run.conclusion == "success"
    assert run.display_title == "kernelwright verify kw-1"
    (artifact,) = run.artifacts
    assert artifact.name == "kernelwright-verify-kw-1"
    with zipfile.ZipFile(io.BytesIO(artifact.data)) as archive:
        assert archive.namelist() == ["verdict.json"]
        assert archive.read("verdict.json") == b"first"


def test_a_commit_that_is_not_there_fails_the_run(verified) -> None:
    run = verified("0" * 40)
    assert run.conclusion == "failure"
    assert "there is no commit 0000" in run.log_file.read_text()
