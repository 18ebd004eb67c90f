"""compute-sanitizer as a script that prints what the real one would: reports and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.verifier.gpu import sanitizer
from runner.verifier.sandbox import Sandbox
from tests.runner.verifier.gpu.problems import problem_of

MEMCHECK = """\
========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 4 bytes
=========     at k+0x130 in kernel.py:12
=========     by thread (100,0,0) in block (0,0,0)
=========     Access to 0x7f5c at is out of bounds
========= ERROR SUMMARY: 30 errors
"""
RACECHECK = """\
========= COMPUTE-SANITIZER
========= Error: Race reported between Write access at k+0x90 in /tmp/a/kernel.py:31
=========     and Read access at k+0xc0 in /tmp/a/kernel.py:33 [4 hazards]
========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)
"""
CLEAN = "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n"
PROBLEM = problem_of(
    "x: M N float16, i: M int32 2..N, flag: M bool, h: N float32",
    outputs="y: M N float16",
    tests=("M=300 N=64", "M=0 N=5", "M=3 N=7"),
)
CANDIDATE = Candidate.of("def made_up(x, i, flag, h):\n    return x\n", attempt=1)


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """Installs a compute-sanitizer of the test's making; what it is called with is written down."""
    folder = tmp_path / "toolkit" / "bin"
    folder.mkdir(parents=True)

    def install(script: str) -> Path:
        path = folder / "compute-sanitizer"
        path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return tmp_path / "calls"

    return install


def says(text, status):
    return f"cat <<'END'\n{text}END\nexit {status}"


def by_tool(memcheck, racecheck):
    return f'case "$2" in memcheck)\n{memcheck};;\nracecheck)\n{racecheck};;\nesac'


def sanitize(timeout_s=20.0):
    return sanitizer.sanitize(PROBLEM, CANDIDATE, Sandbox(kind="none"), timeout_s)


def test_a_clean_kernel_has_two_checks(tool):
    calls = tool(says(CLEAN, 0))
    finding, checks = sanitize()
    assert finding is None
    assert [check.name for check in checks] == ["memcheck", "racecheck"]
    assert {check.detail for check in checks} == {"compute-sanitizer found nothing"}
    assert [line.split()[:4] for line in calls.read_text().splitlines()] == [
        ["--tool", kind, "--error-exitcode", "9"] for kind in ("memcheck", "racecheck")
    ]


def test_an_access_out_of_bounds_is_named_with_its_line(tool):
    calls = tool(says(MEMCHECK, 9))
    finding, checks = sanitize()
    assert finding.status is EvaluationStatus.RUNTIME_ERROR
    assert finding.stage == "sanitizer"
    assert finding.summary == (
        "kernel.py:12: compute-sanitizer memcheck: Invalid __global__ write of size 4 bytes"
    )
    assert "out of bounds" in finding.detail
    assert checks == ()
    assert len(calls.read_text().splitlines()) == 1  # the first finding is enough


def test_a_race_is_named_after_memcheck_passed(tool):
    tool(by_tool(says(CLEAN, 0), says(RACECHECK, 9)))
    finding, checks = sanitize()
    assert finding.summary.startswith(
        "kernel.py:31: compute-sanitizer racecheck: Error: Race reported between Write access"
    )
    assert [check.name for check in checks] == ["memcheck"]


def test_a_finding_without_known_words_is_a_finding(tool):
    tool(says("========= something new\n", 9))
    finding, _ = sanitize()
    assert finding.summary == "compute-sanitizer memcheck: it reports an error"


@pytest.mark.parametrize("status", [1, 2, 127, 255])
def test_a_tool_that_cannot_work_here_is_said_to_and_is_nobodys_fault(status, tool):
    tool(says("========= starting\nError: device not supported\n", status))
    finding, checks = sanitize()
    assert finding is None
    assert {check.detail for check in checks} == {
        "could not be run here: Error: device not supported"
    }


def test_a_tool_that_says_nothing_at_all_is_still_reported(tool):
    tool("exit 3")
    _, checks = sanitize()
    assert [check.detail for check in checks] == ["could not be run here: "] * 2


def test_a_tool_that_does_not_finish_is_stopped_and_said_to_be(tool):
    tool("exec sleep 60")
    finding, checks = sanitize(timeout_s=0.3)
    assert finding is None
    assert {check.detail for check in checks} == {"did not finish within 0.3 s"}


def test_a_tool_that_is_not_installed_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sanitizer, "_CUDA_HOME", tmp_path / "compute-sanitizer")
    finding, checks = sanitize()
    assert finding is None
    assert [(check.name, check.detail) for check in checks] == [
        ("compute-sanitizer", "not installed: not run")
    ]


def test_the_toolkits_own_place_is_looked_at_as_well(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sanitizer, "_CUDA_HOME", tmp_path / "compute-sanitizer")
    (tmp_path / "compute-sanitizer").touch()
    assert sanitizer.sanitizer_path() == str(tmp_path / "compute-sanitizer")


def test_what_a_kernel_prints_reaches_the_verdict_without_control_characters(tool):
    tool("printf '========= Invalid \\033[31mwrite\\n\\377\\376'; exit 9")
    finding, _ = sanitize()
    assert "\x1b" not in finding.summary + finding.detail
    assert "Invalid [31mwrite" in finding.summary


def test_the_report_is_bounded(tool):
    tool("head -c 3000000 /dev/zero | tr '\\0' x; exit 9")
    finding, _ = sanitize()
    assert len(finding.detail) <= 3000


def test_the_kernel_runs_on_the_smallest_workload_that_has_anything_in_it(tool, tmp_path):
    tool(f'for last; do :; done; cp "$last"/* {tmp_path}; env > {tmp_path}/environment')
    sanitize()
    job = json.loads((tmp_path / "job.json").read_text())
    assert job["entry"] == "made_up"
    assert [row["shape"] for row in job["inputs"]] == [[3, 7], [3], [3], [7]]
    assert [row["bounds"] for row in job["inputs"]][1:3] == [[2, 7], [0, 2]]
    assert (tmp_path / "kernel.py").read_text() == CANDIDATE.source
    # Every tensor is an allocation of its own: a stray access leaves it.
    assert "PYTORCH_NO_CUDA_MEMORY_CACHING=1" in (tmp_path / "environment").read_text()


def test_nothing_of_the_operators_environment_is_passed_on(tool, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    tool(f"env > {tmp_path}/environment")
    sanitize()
    assert "sk-secret" not in (tmp_path / "environment").read_text()


def test_a_tool_in_the_operators_home_does_not_show_the_home(sandboxed, monkeypatch, tmp_path):
    """The folder above the tool's is bound into the sandbox: never one that holds keys."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "key").write_text("the operator's key")
    tool = home / "bin" / "compute-sanitizer"
    tool.write_text(f"#!/bin/sh\ncat {home}/key\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/bin:/usr/bin:/bin")
    finding, checks = sanitizer.sanitize(PROBLEM, CANDIDATE, Sandbox(kind="bubblewrap"), 20.0)
    assert "the operator's key" not in f"{finding} {checks}"
