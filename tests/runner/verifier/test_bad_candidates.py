"""Bad kernel files: each gets its status and one clear sentence, whatever is wrong with it.

Three kinds go through the command line as a person's would, the others straight to one `Verifier`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from runner.contract import Candidate, Evaluation
from runner.verifier import Verifier, VerifyOptions, judge

GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
)
# `{answer}`: what the entry returns. The arithmetic is its own kernel's in every row.
KERNEL = """\
import torch
import triton
import triton.language as tl


@triton.jit
def softmax_kernel(x_ptr, y_ptr, stride_ym, stride_yn, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0))
    y = numerator / tl.sum(numerator, 0)
    tl.store(y_ptr + row * stride_ym + offs * stride_yn, y, mask=mask)


def softmax_into(x, y):
    block = triton.next_power_of_2(x.shape[1])
    softmax_kernel[(x.shape[0],)](x, y, y.stride(0), y.stride(1), x.shape[1], BLOCK=block)
    return y


def row_softmax(x):
    {answer}
"""
HONEST = KERNEL.replace("{answer}", "return softmax_into(x, torch.empty_like(x))")
SYNTAX_ERROR = HONEST.replace("def row_softmax(x):", "def row_softmax(x:")

# (source, status, part of the one sentence)
FILES = {
    "empty": ("", "REJECTED", "the candidate is empty"),
    "blank": (" \n\t\n", "REJECTED", "the candidate is empty"),
    "ten_megabytes": (HONEST + "#" * (10 << 20), "REJECTED", "10486"),
    "nul_bytes": (HONEST + "\0", "REJECTED", "does not parse"),
    "syntax_error": (SYNTAX_ERROR, "REJECTED", "kernel.py:23: does not parse"),
    "nested_without_end": ("x = " + "(" * 5000, "REJECTED", "does not parse"),
    "sums_without_end": ("x = " + "-" * 100_000 + "1", "REJECTED", "nested too deeply"),
    "a_number_too_long": (f"x = {'9' * 100_000}", "REJECTED", "does not parse"),
    "no_entry": (
        HONEST.replace("def row_softmax", "def softmax"),
        "REJECTED",
        "defines no function row_softmax(x) at its top level",
    ),
    "other_parameters": (
        HONEST.replace("def row_softmax(x):", "def row_softmax(matrix, axis):\n    x = matrix"),
        "REJECTED",
        "row_softmax(matrix, axis) should take row_softmax(x)",
    ),
    "no_kernel": (
        "import torch\n\n\ndef row_softmax(x):\n    return x\n",
        "REJECTED",
        "has no Triton kernel",
    ),
}
Y = "y = softmax_into(x, torch.empty_like(x)); "
ANSWERS = {
    "tuple": (Y + "return (y,)", "INCORRECT_SHAPE", "returned a tuple of 1 where one tensor"),
    "list": (Y + "return [y, y]", "INCORRECT_SHAPE", "returned a list of 2 where one tensor"),
    "none": (Y + "return None", "INCORRECT_SHAPE", "y is None, not a tensor"),
    "array": (Y + "return y.numpy()", "INCORRECT_SHAPE", "y is a ndarray, not a tensor"),
    "parameter": (
        Y + "return torch.nn.Parameter(y)",
        "CHEATED",
        "y is a Parameter, a subclass of torch.Tensor; return a plain tensor",
    ),
    "meta": (Y + "return y.to('meta')", "RUNTIME_ERROR", "y is on device meta, its inputs are on"),
    "dtype": (
        "return softmax_into(x, torch.empty_like(x, dtype=torch.float32))",
        "INCORRECT_DTYPE",
        "y is float32, expected float16",
    ),
    "shape": (Y + "return y[:, :-1]", "INCORRECT_SHAPE", "y has shape [3, 63], expected [3, 64]"),
    "in_its_input": (
        "return softmax_into(x, x)",
        "CHEATED",
        "the call changed its input x",
    ),
    # Honest, if unusual.
    "strided": (
        "return softmax_into(x, torch.empty(x.shape[::-1], dtype=x.dtype, device=x.device).t())",
        "PASSED",
        "correct on",
    ),
}


def check(evaluation: Evaluation, status: str, says: str) -> None:
    assert evaluation.status.value == status, evaluation.detail
    assert says in evaluation.summary
    assert evaluation.summary.isprintable()  # one line
    assert len(evaluation.summary) <= 300
    assert "Traceback" not in evaluation.detail


@pytest.mark.parametrize(("source", "status", "says"), FILES.values(), ids=FILES)
def test_file_that_cannot_be_a_kernel(source, status, says, softmax_verifier):
    evaluation = softmax_verifier.verify(Candidate.of(source, attempt=1))
    check(evaluation, status, says)
    assert evaluation.stage == "screen"


@pytest.mark.parametrize(("answer", "status", "says"), ANSWERS.values(), ids=ANSWERS)
def test_answer_of_another_kind(answer, status, says, softmax_verifier, monkeypatch):
    monkeypatch.setattr(judge, "screen", lambda source, problem: None)
    source = KERNEL.replace("{answer}", answer)
    check(softmax_verifier.verify(Candidate.of(source, attempt=1)), status, says)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=GPU)])
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Y + "return y.cpu()", "y is on device cpu, its inputs are on cuda"),
        (Y + "return y.to('meta')", "y is on device meta, its inputs are on cuda"),
    ],
)
def test_answer_on_another_device_than_the_gpu(device, answer, says, softmax_problem):
    options = VerifyOptions(device=device, rounds=1, quick=True, allow_no_sandbox=True)
    with Verifier(softmax_problem, options) as verifier:
        source = KERNEL.replace("{answer}", answer)
        check(verifier.verify(Candidate.of(source, attempt=1)), "RUNTIME_ERROR", says)


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "REJECTED", "not UTF-8 text (byte 8)"),
        (SYNTAX_ERROR.encode(), "REJECTED", "kernel.py:23: does not parse"),
        (b"#" * (10 << 20), "REJECTED", "10485760 bytes"),
    ],
    ids=["binary", "syntax_error", "ten_megabytes"],
)
def test_bad_file_on_the_command_line(content, status, says, softmax_texts, tmp_path, pytestconfig):
    (tmp_path / "problem.toml").write_text(softmax_texts.toml)
    (tmp_path / "reference.py").write_text(softmax_texts.reference)
    (tmp_path / "kernel.py").write_bytes(content)
    command = [sys.executable, "-m", "runner", "verify", str(tmp_path), "--json"]
    done = subprocess.run(
        [*command, "--allow-no-sandbox"],
        capture_output=True,
        text=True,
        check=False,
        cwd=pytestconfig.rootpath,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
    )
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    assert document["status"] == status
    check(Evaluation.model_validate(document["evaluations"][0]), status, says)
