"""A baseline's `prepare_` function sees each burst's contents, and is no part of what is timed."""

from __future__ import annotations

import pytest
import torch

from runner.contract import Candidate, EvaluationStatus
from runner.problem import parse_problem
from runner.verifier import Verifier, VerifyOptions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

SPEC = """\
name = "scaled_rows"
entry = "scaled_rows"
summary = "x times the power of two that shift names"
family = "elementwise"
baselines = ["eager", "by_hand"]

[axes]
N = [1, 16777216]

[[inputs]]
name = "x"
shape = ["N"]
dtype = "float32"

[[inputs]]
name = "shift"
shape = [1]
dtype = "int32"
low = 0
high = 9

[[outputs]]
name = "y"
shape = ["N"]
dtype = "float32"

[[tests]]
N = 100

[[benchmarks]]
N = 16777216

[[benchmarks]]
N = 8388608
"""
REFERENCE = """\
import torch

def scaled_rows(x, shift):
    return x * torch.exp2(shift.to(x.dtype))
"""
# Fails where the factor is another burst's: a baseline that fails is left out.
BASELINE = """\
import time
import torch

def prepare_by_hand(x, shift):
    time.sleep(0.002)
    return torch.exp2(shift.to(x.dtype)).item()

def by_hand(x, shift, factor):
    torch._assert_async(torch.exp2(shift.to(x.dtype))[0] == factor)
    return x * factor
"""
KERNEL = """\
import torch
import triton
import triton.language as tl

@triton.jit
def scale(x_ptr, shift_ptr, y_ptr, N, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    factor = tl.exp2(tl.load(shift_ptr).to(tl.float32))
    tl.store(y_ptr + offs, tl.load(x_ptr + offs, mask=offs < N) * factor, mask=offs < N)

def scaled_rows(x, shift):
    y = torch.empty_like(x)
    scale[(triton.cdiv(x.numel(), 1024),)](x, shift, y, x.numel(), BLOCK=1024)
    return y
"""


def test_it_is_made_for_every_burst_and_not_timed():
    options = VerifyOptions(device="cuda", allow_no_sandbox=True)
    with Verifier(parse_problem(SPEC, REFERENCE, BASELINE), options) as verifier:
        evaluation = verifier.verify(Candidate.of(KERNEL, 1))
    assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
    for timing in evaluation.performance.timings:
        by_name = {baseline.name: baseline for baseline in timing.baselines}
        assert by_name["by_hand"].median_ms < 1.0
