"""The spec gate on outputs of one number: a constant made from the truth is then the truth."""

from __future__ import annotations

import pytest
import torch

from runner.errors import ReferenceFailed
from runner.problem import parse_problem
from runner.verifier.numerics import expect
from runner.verifier.spec_gate import SpecGate

SPEC = """
name = "total"
entry = "total"
summary = "s"
[axes]
M = [1, 64]
[[inputs]]
name = "x"
shape = ["M"]
dtype = "float16"
[[outputs]]
name = "y"
shape = []
dtype = "float16"
[[tests]]
M = 3
[[benchmarks]]
M = 9
"""
PROBLEM = parse_problem(SPEC, "def total(x):\n    return x.sum()\n")


def judge(*outputs: list[float] | float) -> None:
    """Refuse, or not, a spec whose cases have these true outputs."""
    gate = SpecGate(PROBLEM)
    for output in outputs:
        exact = torch.tensor(output, dtype=torch.float64)
        truth = expect(exact, exact.half(), exact)
        gate.take({"x": torch.zeros(3, dtype=torch.float16)}, [truth], ())
    gate.refuse()


def test_one_number_a_case_is_no_constant() -> None:
    judge(2.0, 5.0)


@pytest.mark.parametrize("outputs", [([2.0, 2.0], [5.0, 5.0]), (2.0, [5.0, 5.0])])
def test_equal_numbers_are_one(outputs: tuple[list[float] | float, ...]) -> None:
    with pytest.raises(ReferenceFailed, match="one constant would pass as y"):
        judge(*outputs)


def test_one_number_that_is_always_zero_is_refused() -> None:
    with pytest.raises(ReferenceFailed, match="all zeros would pass as y"):
        judge(0.0, 0.0)
