"""How the sandbox is found, refused and recorded; `test_inside_sandbox` tries it from inside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions, sandbox
from runner.verifier.sandbox import Sandbox, open_sandbox


@pytest.fixture
def no_bwrap(monkeypatch):
    monkeypatch.setattr(sandbox, "_probe", lambda: "bwrap is not installed")


def test_refuses_to_run_without_a_sandbox_and_says_how_to_get_one(no_bwrap, softmax_problem):
    with pytest.raises(SandboxUnavailable, match=r"apt install bubblewrap.*--allow-no-sandbox"):
        Verifier(softmax_problem, VerifyOptions())


def test_going_without_is_recorded_and_still_filtered(no_bwrap, softmax_texts):
    """Without bubblewrap the worker's own system-call filter and limits remain."""
    reference = "import os\n\n\ndef row_softmax(x):\n    os.fork()\n"
    problem = parse_problem(softmax_texts.toml, reference)
    with Verifier(problem, VerifyOptions(allow_no_sandbox=True)) as verifier:
        assert verifier.sandbox == "none"
        with pytest.raises(Exception, match="Operation not permitted"):
            verifier.prepare()


def test_probe_says_why_bwrap_cannot_work(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sandbox._probe.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match="uid map: Permission denied"):
            open_sandbox(allow_none=False)
        assert open_sandbox(allow_none=True) == Sandbox(kind="none")
    finally:
        sandbox._probe.cache_clear()
        sandbox._tmpfs_size_known.cache_clear()


def test_an_interpreter_named_by_a_path_with_dots_is_found(monkeypatch, sandboxed):
    """`../venv/bin/python -m runner …` leaves the `..` in sys.executable and sys.prefix."""
    executable, prefix = Path(sys.executable), Path(sys.prefix)
    dotted = f"{executable.parent}/../{executable.parent.name}/{executable.name}"
    monkeypatch.setattr(sys, "executable", dotted)
    monkeypatch.setattr(sys, "prefix", f"{prefix}/../{prefix.name}")
    sandbox._probe.cache_clear()
    try:
        assert open_sandbox(allow_none=False) == Sandbox(kind="bubblewrap")
    finally:
        sandbox._probe.cache_clear()
