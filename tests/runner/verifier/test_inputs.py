"""Inputs: repeatable, of the declared shape and dtype, and different where they must differ."""

from __future__ import annotations

import pytest
import torch

from runner.contract import Workload
from runner.problem import TensorSpec, parse_problem
from runner.verifier.inputs import (
    DISTRIBUTIONS,
    Case,
    integer_range,
    make_inputs,
    plan_cases,
    timed_cases,
)

WORKLOAD = Workload(axes={"M": 3, "N": 64})


def case(distribution: str, seed: int = 1, workload: Workload = WORKLOAD) -> Case:
    return Case(workload=workload, distribution=distribution, seed=seed)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
def test_inputs_have_the_specs_form_and_repeat(distribution, dtype, softmax_texts):
    toml = softmax_texts.toml.replace('dtype = "float16"', f'dtype = "{dtype}"')
    problem = parse_problem(toml, softmax_texts.reference)
    once, again = (make_inputs(problem, case(distribution))["x"] for _ in range(2))
    assert tuple(once.shape) == (3, 64)
    assert str(once.dtype) == f"torch.{dtype}"
    assert once.is_contiguous()
    assert torch.equal(once, again)
    assert bool(once.double().isfinite().all())
    other = make_inputs(problem, case(distribution, seed=2))["x"]
    assert not torch.equal(once, other)


@pytest.mark.parametrize(
    ("distribution", "holds"),
    [
        ("uniform", lambda x: x.abs().max() <= 1),
        ("large", lambda x: x.abs().max() > 20),
        ("near zero", lambda x: 0 < x.abs().max() < 0.01),
        ("constant rows", lambda x: bool((x == x[:, :1]).all()) and x[0, 0] != x[1, 0]),
        ("one-hot", lambda x: bool(((x != 0).sum(1) == 1).all())),
        ("heavy tail", lambda x: x.abs().max() > 8 * x.abs().median()),
        ("heavy tail", lambda x: x.max() == 128),
    ],
)
def test_distribution_is_what_its_name_says(distribution, holds, softmax_problem):
    assert holds(make_inputs(softmax_problem, case(distribution))["x"].float())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", [(), (0, 4), (1,)])
def test_unusual_shapes_can_be_drawn(distribution, shape):
    drawn = DISTRIBUTIONS[distribution](torch.empty(shape), torch.Generator().manual_seed(0))
    assert tuple(drawn.shape) == shape
    assert bool(drawn.isfinite().all())


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("int64", None, None, (-64, 64)),
        ("uint8", None, None, (0, 64)),
        ("int32", 0, "N", (0, 64)),
        ("int32", "M", 10, (3, 10)),
        ("int32", None, -100, (-101, -100)),
        ("int32", 500, None, (500, 501)),
    ],
)
def test_integers_stay_in_their_declared_range(dtype, low, high, expected):
    spec = TensorSpec(name="i", shape=("M",), dtype=dtype, low=low, high=high)
    assert integer_range(spec, WORKLOAD) == expected


def test_plan_begins_small_and_gives_every_workload_normal_and_large_inputs(softmax_problem):
    cases = plan_cases(softmax_problem, seed=11)
    assert str(cases[0]) == "M=3 N=64 [normal]"
    met = {(str(c.workload), c.distribution) for c in cases}
    assert len(met) == len(cases)
    assert {("M=3 N=64", name) for name in DISTRIBUTIONS} <= met
    assert {("M=5 N=100", "normal"), ("M=5 N=100", "large")} <= met
    assert len([c for c in cases if str(c.workload) == "M=5 N=100"]) == 3
    assert len({c.seed for c in cases}) == len(cases)


def test_the_other_distributions_rotate_with_the_seed(softmax_problem):
    third = {
        case.distribution
        for seed in range(len(DISTRIBUTIONS))
        for case in plan_cases(softmax_problem, seed)
        if str(case.workload) == "M=5 N=100"
    }
    assert third == set(DISTRIBUTIONS)


def test_what_is_timed_is_checked_five_times_with_inputs_of_the_seeds_choice(softmax_problem):
    rows = [timed_cases(softmax_problem, seed) for seed in range(len(DISTRIBUTIONS))]
    benchmarks = {str(workload) for workload in softmax_problem.benchmarks}
    for cases in rows:
        assert {str(case.workload) for case in cases} == benchmarks
        assert len({str(case) for case in cases}) == len(cases) == 5 * len(benchmarks)
        assert {"normal", "large"} <= {case.distribution for case in cases}
    assert {case.distribution for cases in rows for case in cases} == set(DISTRIBUTIONS)


def test_quick_plan_is_short_and_still_reaches_the_largest_workload(softmax_problem):
    cases = plan_cases(softmax_problem, seed=11, quick=True)
    assert len([case for case in cases if not case.held_out]) == 3
    assert "M=5 N=100 [normal]" in {str(c) for c in cases}
