"""The real thing on a small problem: replay, the real verifier, the bundle, and its own tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.kernel_facts import without_facts

ROOT = Path(__file__).parents[2]

PROBLEM_TOML = """\
name = "scaled_add"
entry = "scaled_add"
summary = "x + 3 y"
family = "elementwise"
policy = "triton-only"
baselines = ["eager"]

[axes]
N = [1, 16777216]

[[inputs]]
name = "x"
shape = ["N"]
dtype = "float32"
[[inputs]]
name = "y"
shape = ["N"]
dtype = "float32"
[[outputs]]
name = "z"
shape = ["N"]
dtype = "float32"

[[tests]]
N = 77
[[tests]]
N = 300
[[benchmarks]]
N = 1048576
"""
REFERENCE_PY = '''\
"""x + 3 y."""


def scaled_add(x, y):
    return x + 3 * y
'''
KERNEL_PY = '''\
"""x + 3 y, one block of elements for each program."""

import torch
import triton
import triton.language as tl


@triton.jit
def _scaled_add(x_ptr, y_ptr, z_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    y = tl.load(y_ptr + offs, mask=mask)
    tl.store(z_ptr + offs, x + FACTOR * y, mask=mask)


def scaled_add(x, y):
    z = torch.empty_like(x)
    _scaled_add[(triton.cdiv(x.numel(), 128),)](x, y, z, x.numel(), BLOCK=128)
    return z
'''
WRONG, RIGHT = KERNEL_PY.replace("FACTOR", "2"), KERNEL_PY.replace("FACTOR", "3")


def answer(source: str) -> str:
    return f"The factor is in the store.\n\n```python\n{source}```\n"


@pytest.fixture(scope="module")
def problem_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems") / "scaled_add"
    folder.mkdir()
    (folder / "problem.toml").write_text(PROBLEM_TOML)
    (folder / "reference.py").write_text(REFERENCE_PY)
    return folder


def runner(*arguments) -> list[str]:
    # Only where no sandbox can be made does the flag change anything.
    return [sys.executable, "-m", "runner", *map(str, arguments), "--allow-no-sandbox"]


def quiet_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KERNELWRIGHT_", "OPENAI_", "TRITON_"))
    }


@pytest.fixture(scope="module")
def finished(problem_folder, tmp_path_factory):
    """The output folder and the process of one run over a wrong and a right answer."""
    folder = tmp_path_factory.mktemp("run")
    transcript = folder / "transcript.jsonl"
    rows = [
        {"generation": 0, "attempt": n, "model": "handwritten", "content": answer(source)}
        for n, source in enumerate((WRONG, RIGHT), start=1)
    ]
    transcript.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = folder / "out"
    command = runner("generate", problem_folder, "--model", f"replay:{transcript}", "--out", out)
    done = subprocess.run(
        command, cwd=ROOT, env=quiet_environment(), capture_output=True, text=True, check=False
    )
    return out, done


def test_the_loop_repairs_a_wrong_kernel_on_the_verifiers_word(finished):
    out, done = finished
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "bundle" / "manifest.json").read_text())
    statuses = [attempt["evaluation"]["status"] for attempt in manifest["attempts"]]
    assert statuses == ["INCORRECT_NUMERICAL", "PASSED"]
    assert (manifest["outcome"], manifest["best_attempt"]) == ("CORRECT", 2)
    events = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    prompts = [event["text"] for event in events if event["event"] == "prompt_sent"]
    assert "INCORRECT_NUMERICAL" in prompts[1]
    assert "x + 2 * y" in prompts[1]
    assert (out / "best" / "kernel.py").read_text() == RIGHT
    assert "attempt 1  INCORRECT_NUMERICAL" in done.stderr
    assert "attempt 2  PASSED" in done.stderr


def run_pytest(*files) -> subprocess.CompletedProcess[str]:
    options = ["-q", "-rs", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *map(str, files)]
    return subprocess.run(
        command, cwd=ROOT, env=quiet_environment(), capture_output=True, text=True, check=False
    )


def test_the_bundles_own_tests_pass_on_this_machine(finished):
    out, _ = finished
    folder = out / "bundle" / "problems" / "scaled_add"
    done = run_pytest(folder / "test_kernel.py", folder / "bench_kernel.py")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_bundles_tests_fail_for_a_wrong_kernel(finished, tmp_path):
    out, _ = finished
    folder = tmp_path / "scaled_add"
    shutil.copytree(out / "bundle" / "problems" / "scaled_add", folder)
    (folder / "kernel.py").write_text(WRONG)
    done = run_pytest("-x", folder / "test_kernel.py")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout


def test_verify_agrees_with_the_loop(finished, problem_folder):
    out, _ = finished
    command = runner("verify", problem_folder, "--kernel", out / "best" / "kernel.py", "--json")
    done = subprocess.run(
        command, cwd=ROOT, env=quiet_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "PASSED"
    assert document["evaluations"][0]["resources"][0]["target"] == "sm_90"


HANGING = RIGHT.replace("    z = torch", "    while True:\n        pass\n    z = torch")


def wait_for(find, process, seconds: float = 60.0):
    """Poll `find` until it gives something; fail when the process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("nothing came in time")


def children_of(pid: int) -> set[int]:
    """The direct children of a process, whichever of its threads started them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def put_answer(box: Path, number: str, source: str, process) -> None:
    """Wait for the prompt of an attempt and answer it in one step."""
    prompt = wait_for(lambda: next(box.glob(f"{number}-*.prompt.md"), None), process)
    draft = box / "draft"
    draft.write_text(answer(source))
    draft.rename(prompt.with_name(prompt.name.replace(".prompt.", ".answer.")))


def test_sigterm_during_a_verdict_delivers_the_best_and_ends_at_once(problem_folder, tmp_path):
    box, out = tmp_path / "box", tmp_path / "out"
    process = subprocess.Popen(
        runner("generate", problem_folder, "--model", f"mailbox:{box}", "--out", out),
        cwd=ROOT,
        env=quiet_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        put_answer(box, "0001", RIGHT, process)
        put_answer(box, "0002", HANGING, process)
        received = '"event":"answer_received","attempt":2'
        journal = out / "journal.jsonl"
        wait_for(lambda: received in journal.read_text().replace(" ", ""), process)
        workers = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        # The Actions runner kills a cancelled job 7.5 s after the first signal: by then the bundle
        # is there, and the process itself ends soon after.
        wait_for((out / "bundle" / "manifest.json").exists, process, seconds=5)
        _, errors = process.communicate(timeout=15)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, errors
    manifest = json.loads((out / "bundle" / "manifest.json").read_text())
    assert manifest["outcome"] == "CORRECT"
    assert manifest["stopped_because"] == "stopped by SIGTERM; no final verdict"
    delivered = (out / "bundle" / "problems" / "scaled_add" / "kernel.py").read_text()
    assert without_facts(delivered) == RIGHT
    if manifest["environment"]["sandbox"] == "bubblewrap":
        assert workers
        deadline = time.monotonic() + 5
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, workers))
