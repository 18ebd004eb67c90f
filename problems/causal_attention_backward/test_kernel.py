"""Correctness of `causal_attention_backward`.

Every test workload with several distributions of inputs, and the smallest sizes of the declared
ranges; without a GPU, in Triton's interpreter. The reference runs in float64, and the budget for
the kernel's error is a multiple of the error that PyTorch itself makes at the declared dtypes,
element by element and block by block. Run with `python -m pytest` on this file.
"""

from pathlib import Path

import pytest

from runner.testing import cases, check, edge_cases, load_entry, load_problem

FOLDER = Path(__file__).parent
PROBLEM = load_problem(FOLDER)


@pytest.mark.parametrize("case", cases(PROBLEM), ids=str)
def test_causal_attention_backward(case):
    check(PROBLEM, case, load_entry(FOLDER))


@pytest.mark.parametrize("case", edge_cases(PROBLEM), ids=str)
def test_smallest_sizes(case):
    check(PROBLEM, case, load_entry(FOLDER))
