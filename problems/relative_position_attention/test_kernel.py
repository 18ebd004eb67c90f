"""Correctness of `relative_position_attention` against its reference.

Every test workload, with several distributions of inputs; without a GPU, in Triton's interpreter.
The reference runs in float64, and the budget for the kernel's error is a multiple of the error that
PyTorch itself makes at the declared dtypes, element by element and block by block. Run with
`pytest` on this file.
"""

from pathlib import Path

import pytest

from runner.testing import cases, check, load_entry, load_problem

FOLDER = Path(__file__).parent
PROBLEM = load_problem(FOLDER)


@pytest.mark.parametrize("case", cases(PROBLEM), ids=str)
def test_relative_position_attention(case):
    check(PROBLEM, case, load_entry(FOLDER))
