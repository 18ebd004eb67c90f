"""Who gets how much of a GPU's memory: the arithmetic, for GPUs of made-up sizes."""

from __future__ import annotations

import pytest
import torch

from runner.contract import Workload
from runner.errors import RunnerError
from runner.verifier.gpu.input_sets import set_count
from runner.verifier.gpu.memory_plan import plan_memory
from runner.verifier.inputs import NORMAL, Case
from runner.verifier.oracle import arena_bytes
from tests.runner.verifier.gpu.problems import problem_of

GIB = 1 << 30
MILLION = 1_000_000
PROBLEM = problem_of(
    "x: N float32",
    tests=("N=1000", "N=5000000"),
    benchmarks=("N=2000000", "N=900000000"),
)


@pytest.fixture
def gpu_of(monkeypatch):
    """Makes the GPU one of so many bytes."""

    def install(total_bytes: int) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (total_bytes // 2, total_bytes))

    return install


def cases_of(problem, *extra):
    workloads = [*problem.tests, *problem.benchmarks, *extra]
    return [Case(workload=w, distribution=NORMAL, seed=1) for w in workloads]


def test_on_a_large_gpu_everything_fits(gpu_of):
    gpu_of(141 * GIB)
    cases = cases_of(PROBLEM)
    plan = plan_memory(PROBLEM, cases)
    assert plan.cases == tuple(cases)
    assert plan.timed == PROBLEM.benchmarks
    assert plan.too_large == {}
    assert plan.candidate_bytes >= arena_bytes(PROBLEM, cases, wide=False)
    assert plan.reference_bytes >= arena_bytes(PROBLEM, cases, wide=True)
    assert 0 < plan.keep_bytes < 141 * GIB / 2


@pytest.mark.parametrize(
    ("total_bytes", "sets"), [(141 * GIB, 8), (24 * GIB, 8), (500 * MILLION + 5 * GIB, 8)]
)
def test_the_candidates_memory_holds_every_timed_workload(total_bytes, sets, gpu_of):
    gpu_of(total_bytes)
    plan = plan_memory(PROBLEM, cases_of(PROBLEM))
    for workload in plan.timed:
        assert set_count(PROBLEM, workload, plan.candidate_bytes) >= 1
    assert set_count(PROBLEM, PROBLEM.benchmarks[0], plan.candidate_bytes) == sets


def test_what_is_too_large_is_named_with_the_reason(gpu_of):
    gpu_of(24 * GIB)
    plan = plan_memory(PROBLEM, cases_of(PROBLEM))
    assert set(plan.too_large) == {"N=900000000"}
    reason = plan.too_large["N=900000000"]
    assert "checking it takes about" in reason
    assert "this GPU has 26" in reason  # decimal, as on the box
    assert plan.timed == PROBLEM.benchmarks[:1]
    assert [str(case.workload) for case in plan.cases] == ["N=1000", "N=5000000", "N=2000000"]
    assert plan.candidate_bytes + plan.reference_bytes < 24 * GIB


def test_a_gpu_for_which_everything_is_too_large_is_refused_with_all_reasons(gpu_of):
    gpu_of(4 * GIB)
    with pytest.raises(RunnerError, match="no workload fits") as refused:
        plan_memory(PROBLEM, cases_of(PROBLEM))
    for workload in (*PROBLEM.tests, *PROBLEM.benchmarks):
        assert str(workload) in str(refused.value)


def test_a_workload_that_is_not_checked_is_not_timed_and_gets_no_room(gpu_of):
    """A quick verdict leaves the benchmarks out; their size must not matter then."""
    gpu_of(24 * GIB)
    cases = [Case(workload=w, distribution=NORMAL, seed=1) for w in PROBLEM.tests]
    plan = plan_memory(PROBLEM, cases)
    assert plan.timed == ()
    assert plan.candidate_bytes < GIB


@pytest.mark.parametrize("total_bytes", [5 * GIB, 8 * GIB, 24 * GIB, 80 * GIB, 141 * GIB])
def test_a_worker_gets_a_share_between_a_tenth_and_a_half(total_bytes, gpu_of):
    gpu_of(total_bytes)
    plan = plan_memory(PROBLEM, cases_of(PROBLEM))
    assert 0.1 <= plan.worker_fraction <= 0.5


@pytest.mark.parametrize("elements", [10**8, 10**9, 2 * 10**9])
def test_the_inputs_of_timed_calls_take_less_than_a_third_where_two_sets_can(elements, gpu_of):
    gpu_of(141 * GIB)
    problem = problem_of("x: N float32", outputs="y: 1 float32", benchmarks=(f"N={elements}",))
    workload = Workload(axes={"N": elements})
    plan = plan_memory(problem, cases_of(problem))
    sets = set_count(problem, workload, plan.candidate_bytes)
    arena = arena_bytes(problem, plan.cases, wide=False)
    assert sets >= 1
    assert plan.candidate_bytes <= max(arena, 0.34 * 141 * GIB)
