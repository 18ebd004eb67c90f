"""Whose kernels ran, from rows as CUPTI reports them."""

from __future__ import annotations

import pytest

from runner.contract import EvaluationStatus
from runner.verifier.gpu.kernel_share import MOSTLY_OWN, judge_profile, read_profile

OWN = {"name": "_softmax_kernel", "stream": 7, "count": 1, "us": 90.0}
FILL = {
    "name": "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>",
    "stream": 7,
    "count": 1,
    "us": 10.0,
}
GEMM = {"name": "sm90_xmma_gemm_f16f16_f16f32_f32_tn_n", "stream": 7, "count": 1, "us": 900.0}


def ran(*rows):
    return read_profile({"stream": 7, "kernels": list(rows)}, {"_softmax_kernel"})


def test_own_kernels_with_fills_and_copies_pass():
    copy = {"name": "Memcpy DtoD (Device -> Device)", "stream": 7, "count": 1, "us": 1.0}
    found = ran(OWN, FILL, copy)
    assert found.own_share == pytest.approx(90 / 101)
    assert judge_profile(found, "triton-only") is None


@pytest.mark.parametrize(
    ("rows", "policy", "said"),
    [
        ([], "triton-only", "took any GPU time"),
        ([FILL], "triton-only", "took any GPU time"),
        ([OWN, GEMM], "triton-only", "not its own: sm90_xmma_gemm"),
        ([OWN, {**OWN, "stream": 13}], "triton-only", "another stream than the caller's"),
        ([{**OWN, "stream": 13}], "triton-only", "another stream than the caller's"),
        ([GEMM], "mixed", "took any GPU time"),
        ([OWN, "garbage"], "triton-only", "another stream"),
    ],
)
def test_what_is_not_an_own_kernel_is_named(rows, policy, said):
    finding = judge_profile(ran(*rows), policy)
    assert finding is not None
    assert finding.status is EvaluationStatus.CHEATED
    assert said in finding.summary


def test_mixed_lets_the_library_do_the_larger_part():
    assert judge_profile(ran(OWN, GEMM), "mixed") is None
    # An epilogue behind a large product: honest, and no more than this.
    found = ran(OWN, {**GEMM, "us": 90_000.0})
    assert judge_profile(found, "mixed") is None
    assert found.own_share < MOSTLY_OWN


@pytest.mark.parametrize("reply", [{}, {"kernels": None}, {"kernels": {"a": 1}}])
def test_a_reply_without_rows_is_no_kernel_at_all(reply):
    assert judge_profile(read_profile(reply, {"k"}), "mixed") is not None
