"""Held-out workloads: within the declared ranges, odd, small, and nobody can foretell them."""

from __future__ import annotations

import pytest

from runner.problem import parse_problem
from runner.verifier.inputs import DISTRIBUTIONS, plan_cases
from runner.verifier.workloads import elements, held_out


@pytest.fixture
def with_axes(softmax_texts):
    def make(m: str = "[1, 4096]", n: str = "[1, 8192]", sizes: str = "M = 5\nN = 100"):
        toml = softmax_texts.toml.replace("M = [1, 4096]", f"M = {m}")
        toml = toml.replace("N = [1, 8192]", f"N = {n}")
        head, *_ = toml.partition("[[tests]]")
        tables = f"[[tests]]\n{sizes}\n[[benchmarks]]\n{sizes}\n"
        return parse_problem(head + tables, softmax_texts.reference)

    return make


@pytest.mark.parametrize("seed", range(20))
def test_sizes_are_new_in_range_and_about_as_large_as_a_test(seed, softmax_problem):
    found = held_out(softmax_problem, seed)
    assert len({str(workload) for workload in found}) == 3
    largest = max(elements(softmax_problem, test) for test in softmax_problem.tests)
    for workload in found:
        assert workload not in softmax_problem.tests
        for axis, size in workload.axes.items():
            low, high = softmax_problem.axes[axis]
            assert low <= size <= high
        # The step away from a multiple of 16 may add one to each axis.
        assert elements(softmax_problem, workload) <= 1.5 * largest
    assert all(size % 16 for size in found[0].axes.values())


def test_the_seed_decides(softmax_problem):
    draws = {tuple(map(str, held_out(softmax_problem, seed))) for seed in range(20)}
    assert len(draws) > 15
    assert held_out(softmax_problem, 3) == held_out(softmax_problem, 3)


@pytest.mark.parametrize(
    ("m", "n", "sizes", "count"),
    [
        ("[5, 5]", "[100, 100]", "M = 5\nN = 100", 0),  # the test is all there is
        ("[5, 5]", "[99, 100]", "M = 5\nN = 100", 1),
        ("[1, 4096]", "[16, 128, 16]", "M = 5\nN = 64", 3),
        ("[0, 4]", "[1, 8]", "M = 4\nN = 8", 3),
        ("[1024, 65536]", "[1024, 65536]", "M = 1024\nN = 1024", 3),
    ],
)
def test_declared_ranges_and_steps_are_kept(m, n, sizes, count, with_axes):
    problem = with_axes(m, n, sizes)
    for seed in range(5):
        found = held_out(problem, seed)
        assert len(found) == count
        for workload in found:
            for axis, size in workload.axes.items():
                low, high = problem.axes[axis]
                assert low <= size <= high
                assert size % problem.steps[axis] == 0


def test_plan_ends_with_the_held_out_workloads_each_met_twice(softmax_problem):
    cases = plan_cases(softmax_problem, 7)
    drawn = [case for case in cases if case.held_out]
    assert list(cases[-len(drawn) :]) == drawn
    assert len(drawn) == 6
    for workload in held_out(softmax_problem, 7):
        met = {case.distribution for case in drawn if case.workload == workload}
        assert "normal" in met
        assert len(met) == 2
        assert met <= set(DISTRIBUTIONS)


def test_quick_plan_has_one_held_out_workload(softmax_problem):
    cases = plan_cases(softmax_problem, 7, quick=True)
    assert [case.held_out for case in cases] == [False, False, False, True]
