"""Which of two findings is the verdict: the same whichever process was quicker."""

from __future__ import annotations

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.verifier.compile_stage import Compiled
from runner.verifier.finding import Finding
from runner.verifier.sweep import Swept
from runner.verifier.verdict import Passed, conclude, conclude_on_gpu
from tests.fakes import measured

CANDIDATE = Candidate.of("x = 1\n", attempt=1)


def finding(status: str) -> Finding:
    return Finding(status=EvaluationStatus(status), stage="s", summary=status)


def swept(status: str | None) -> Swept:
    found = finding(status) if status else None
    return Swept(finding=found, errors=(), kernels={}, smoke_s=None)


@pytest.mark.parametrize(
    ("compiled", "sweep", "verdict"),
    [
        # Not even the first workload compiles: that decides, and the sweep was cut short.
        ({"finding": "COMPILE_ERROR", "early": True}, "RUNTIME_ERROR", "COMPILE_ERROR"),
        ({"finding": "TIMEOUT", "early": True}, "RUNTIME_ERROR", "TIMEOUT"),
        # A larger workload does not compile: wrong numbers come first, also when they come later.
        (
            {"finding": "COMPILE_ERROR", "early": False},
            "INCORRECT_NUMERICAL",
            "INCORRECT_NUMERICAL",
        ),
        ({"finding": "COMPILE_ERROR", "early": False}, None, "COMPILE_ERROR"),
        # The compiler's process died, by itself or because the sweep had failed.
        ({"finding": "COMPILE_ERROR", "crashed": True}, "INCORRECT_SHAPE", "INCORRECT_SHAPE"),
        ({"finding": "COMPILE_ERROR", "crashed": True, "early": True}, None, "COMPILE_ERROR"),
        # Host code fails in both: the sweep's word says more.
        ({"finding": "RUNTIME_ERROR", "early": True}, "INCORRECT_SHAPE", "INCORRECT_SHAPE"),
        ({"finding": "RUNTIME_ERROR", "early": True}, None, "RUNTIME_ERROR"),
    ],
)
def test_first_failure_of_the_cascade_is_the_verdict(compiled, sweep, verdict):
    fields = {**compiled, "finding": finding(compiled["finding"])}
    evaluation = conclude(CANDIDATE, Compiled(kernels={}, **fields), swept(sweep), {})
    assert evaluation.status == verdict


def test_a_kernel_that_could_not_be_timed_says_why():
    found = measured.measured()
    assert found.correctness is not None
    right = Swept(finding=None, errors=found.correctness.cases, kernels={}, smoke_s=None)
    passed = Passed(resources=(measured.compiled(),), not_timed={"N=9": "it takes 900 GB"})
    evaluation = conclude_on_gpu(CANDIDATE, right, None, {}, passed)
    assert evaluation.status == "PASSED"
    assert evaluation.summary.endswith("; not timed, N=9 for example: it takes 900 GB")


WRONG_AND_SLOW_TO_COMPILE = """
import torch
import triton
import triton.language as tl


@triton.jit
def softmax_kernel(x_ptr, y_ptr, N, SLOW: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    mask = offs < N
    x = tl.load(x_ptr + tl.program_id(0) * N + offs, mask=mask, other=0.0)
    for _ in tl.static_range(SLOW):
        x = tl.sin(x) + tl.sort(x)
    tl.store(y_ptr + tl.program_id(0) * N + offs, x, mask=mask)


def row_softmax(x):
    y = torch.empty_like(x)
    M, N = x.shape
    block = triton.next_power_of_2(N)
    softmax_kernel[(M,)](x, y, N, 2000 if N >= 1024 else 0, block)
    return y
"""


def test_a_wrong_kernel_does_not_wait_for_its_compilation(softmax_verifier, softmax_problem):
    assert any(workload.axes["N"] >= 1024 for workload in softmax_problem.benchmarks)
    evaluation = softmax_verifier.verify(Candidate.of(WRONG_AND_SLOW_TO_COMPILE, attempt=1))
    assert evaluation.status is EvaluationStatus.INCORRECT_NUMERICAL, evaluation.detail
    assert evaluation.resources == ()
    # Unrolled 2000 times, the benchmark's kernel would take minutes.
    assert evaluation.stage_s["compile"] < 20
