"""An issue's reference is a stranger's code: refused in one sentence, or harmless.

Every file under `tests/references` goes through the command line, with an honest kernel beside it:
`# says:` is a pattern of the one sentence on stderr; `# outcome: harmless` means that the sandbox
stopped what it tried, and that the kernel's verdict is right.
"""

from __future__ import annotations

import gc
import os
import re
import tempfile
import time
from pathlib import Path

import pytest

from runner import cli
from runner.verifier.pool import WorkerPool

REFERENCES = sorted((Path(__file__).parents[2] / "references").glob("*.py"))
KERNEL = """\
import torch
import triton
import triton.language as tl


@triton.jit
def softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0))
    tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=mask)


def row_softmax(x):
    y = torch.empty_like(x)
    softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
"""


def header(path: Path, key: str) -> str | None:
    """The value of a `# key: value` line at the top of a reference."""
    found = re.search(rf"^# {key}: (.+)$", path.read_text(), re.MULTILINE)
    return found[1] if found else None


def workers() -> set[str]:
    """Children of this process: every worker's outermost process is one."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
def verify(softmax_texts, sandboxed, tmp_path, monkeypatch):
    """Runs the command on a reference; its exit code. Whatever it leaves behind fails the test."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-operator")
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    folder = tmp_path / "problem"
    folder.mkdir()
    (folder / "problem.toml").write_text(softmax_texts.toml)
    (folder / "kernel.py").write_text(KERNEL)

    def run(reference: str, timeout_s: float) -> int:
        (folder / "reference.py").write_text(reference)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        gc.collect()
        children, descriptors = workers(), len(list(Path("/proc/self/fd").iterdir()))
        code = cli.main(["verify", str(folder), "--timeout", str(timeout_s)])
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert list(temp.iterdir()) == []
        gc.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
        deadline = time.monotonic() + 5
        while workers() - children:
            assert time.monotonic() < deadline, "a worker was left"
            time.sleep(0.05)
        return code

    return run


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_reference_is_refused_in_one_sentence_or_harmless(path, verify, capsys, monkeypatch):
    if header(path, "says") and not header(path, "timeout_s"):
        # No candidate will be run: its workers would only be started to be ended.
        monkeypatch.setattr(WorkerPool, "restock", lambda pool, *roles: None)
    code = verify(path.read_text(), float(header(path, "timeout_s") or 60))
    captured = capsys.readouterr()
    if header(path, "outcome") == "harmless":
        assert code == 0, captured.err
        assert "PASSED" in captured.out
        return
    assert code == 2, captured.out
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert len(lines[0]) < 600
    assert lines[0].isprintable()
    assert re.search(header(path, "says"), lines[0]), lines[0]


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("def row_softmax(x:\n", "reference.py:1: "),
        ("def softmax(x):\n    return x\n", "reference.py: .*row_softmax"),
        ("", "reference.py"),
    ],
)
def test_reference_that_is_none_is_refused_before_anything_runs(reference, says, verify, capsys):
    assert verify(reference, 60) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(says, captured.err)
    assert "Traceback" not in captured.err
