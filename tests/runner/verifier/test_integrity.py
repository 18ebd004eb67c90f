"""Whose arithmetic it was, judged from what a worker reports."""

from __future__ import annotations

import pytest

from runner.contract import EvaluationStatus
from runner.verifier.integrity import Facts, judge_integrity

LAUNCHED = {"launches": {"k": 1}}


def judge(reply, changed=(), library_ops=()):
    return judge_integrity(Facts.from_reply(reply), changed, library_ops)


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ({"aten::mm": 1}, "torch mm"),
        ({"aten::empty": 1, "aten::add": 3, "aten::exp": 1}, "torch add, torch exp"),
        ({"aten::_softmax": 1}, "torch _softmax"),
        ({"somebody::kernel": 1}, "torch somebody::kernel"),
        ({"Tensor.numpy": 1}, "Tensor.numpy()"),
        ({"aten::_local_scalar_dense": 400}, "400 single elements"),
    ],
)
def test_arithmetic_outside_the_candidates_kernels_is_cheating(operations, words):
    finding = judge({**LAUNCHED, "operations": operations})
    assert finding.status is EvaluationStatus.CHEATED
    assert words in finding.summary


@pytest.mark.parametrize(
    "operations",
    [
        {},
        {"aten::empty_like": 1, "aten::zeros": 1, "aten::fill_": 2},
        {"aten::view": 1, "aten::transpose": 1, "aten::clone": 1, "aten::_to_copy": 1},
        {"aten::_local_scalar_dense": 2},
    ],
)
def test_allocation_views_and_copies_are_not_arithmetic(operations):
    assert judge({**LAUNCHED, "operations": operations}) is None


@pytest.mark.parametrize(
    ("library_ops", "operations", "words"),
    [
        (("mm",), {"aten::mm": 1}, None),
        (("mm",), {"aten::mm": 1, "aten::empty": 2}, None),
        (("matmul",), {"aten::bmm": 1}, None),
        (("softmax",), {"aten::_softmax": 1}, None),
        (("mm",), {"aten::mm": 1, "aten::add": 1}, "the library computed: torch add"),
        (("softmax",), {"aten::mm": 1}, "the library computed: torch mm"),
        (("mm",), {"aten::mm": 1, "Tensor.numpy": 1}, "Tensor.numpy()"),
    ],
)
def test_mixed_policy_allows_the_named_operators_only(library_ops, operations, words):
    finding = judge({**LAUNCHED, "operations": operations}, library_ops=library_ops)
    assert (finding is None) if words is None else (words in finding.summary)


def test_named_operators_do_not_replace_a_kernel():
    found = judge({"operations": {"aten::mm": 1}}, library_ops=("mm",))
    assert "no Triton kernel" in found.summary


def test_changed_input_is_named():
    assert "changed its input q" in judge(LAUNCHED, changed=("q",)).summary


@pytest.mark.parametrize(
    "reply",
    [{}, {"launches": None}, {"launches": [1]}, {"launches": {"k": "1"}}, {"launches": {"k": -1}}],
)
def test_malformed_report_counts_as_no_launch(reply):
    assert "no Triton kernel" in judge(reply).summary
