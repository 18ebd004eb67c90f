"""Occupancy against NVIDIA's table, and the static order of kernels that nothing timed."""

from __future__ import annotations

import pytest

from runner.contract import (
    Correctness,
    Evaluation,
    EvaluationStatus,
    KernelResources,
    OutputError,
    Workload,
)
from runner.verifier.resources import (
    describe_resources,
    geometric_mean_ms,
    occupancy,
    performance_rank,
    rank,
    residency,
    resource_rank,
)
from tests.fakes.measured import measured, performance, timing

WORKLOAD = Workload(axes={"N": 64})


def compiled(
    registers=32, spills=0, shared=0, warps=4, kernel="k", target="sm_90"
) -> KernelResources:
    return KernelResources(
        kernel=kernel,
        workload=WORKLOAD,
        target=target,
        registers=registers,
        spill_bytes=spills,
        shared_bytes=shared,
        num_warps=warps,
        num_stages=3,
    )


def evaluation(*rows: KernelResources, status=EvaluationStatus.PASSED) -> Evaluation:
    case = OutputError(
        workload=WORKLOAD,
        distribution="normal",
        output="y",
        elements=1,
        wrong_elements=0,
        max_error=0,
        max_budget=1,
        rms_error=0,
        rms_budget=1,
        worst_index=(0,),
    )
    return Evaluation(
        status=status,
        candidate_sha256="0" * 64,
        device="cpu",
        stage="integrity",
        summary="s",
        correctness=Correctness(cases=(case,)),
        resources=rows,
    )


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        (compiled(registers=32), 1.0),
        (compiled(registers=64), 0.5),
        (compiled(registers=255), 8 / 64),
        (compiled(registers=33), 12 * 4 / 64),  # 40 a thread are given out
        (compiled(registers=32, shared=232_448), 4 / 64),
        (compiled(registers=32, shared=65_536, warps=8), 24 / 64),
        (compiled(registers=16, warps=1), 32 / 64),  # 32 blocks at most
        (compiled(registers=255, warps=32), 0.0),
    ],
)
def test_occupancy_follows_the_scarcest_resource(rows, share):
    assert occupancy(rows) == share


@pytest.mark.parametrize(
    ("rows", "blocks", "limiter"),
    [
        (compiled(registers=32), 16, None),
        (compiled(registers=64), 8, "registers"),
        (compiled(shared=65_536), 3, "shared memory"),
        (compiled(registers=16, warps=1), 32, "blocks"),
        (compiled(registers=16, warps=24), 2, "warps"),
        (compiled(registers=64, shared=30_000), 7, "shared memory"),
    ],
)
def test_the_scarcest_resource_is_named(rows, blocks, limiter):
    held = residency(rows)
    assert (held.blocks, held.limiter) == (blocks, limiter)


@pytest.mark.parametrize(
    ("target", "share"),
    [
        ("sm_80", 1 / 16),
        ("sm_86", 1 / 12),
        ("sm_89", 1 / 12),
        ("sm_90a", 2 / 16),
        ("sm_100", 2 / 16),
    ],
)
def test_each_target_has_its_own_shared_memory(target, share):
    assert occupancy(compiled(shared=90_000, target=target)) == share


def test_a_target_that_is_not_known_has_no_occupancy_and_still_a_rank():
    row = compiled(target="gfx942", registers=255)
    assert occupancy(row) is None
    assert "occupancy" not in describe_resources([row], [])
    assert resource_rank(evaluation(row))[2] == 0


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ([compiled()], [compiled(spills=8)]),
        ([compiled(registers=255)], [compiled(spills=8)]),
        ([compiled()], [compiled(), compiled(kernel="second")]),
        ([compiled(registers=32)], [compiled(registers=128)]),
        ([compiled(shared=1024)], [compiled(shared=2048)]),
        ([compiled(registers=20)], [compiled(registers=21)]),
    ],
)
def test_rank_orders_kernels_by_what_they_cost(better, worse):
    assert resource_rank(evaluation(*better)) < resource_rank(evaluation(*worse))


def test_only_passed_kernels_have_a_rank():
    with pytest.raises(ValueError, match="only PASSED"):
        resource_rank(evaluation(compiled(), status=EvaluationStatus.CHEATED))


def test_measured_kernels_are_ordered_by_the_geometric_mean_of_their_times():
    # 4 and 1/2: the mean weighs a workload of a microsecond as one of a second.
    times = [timing(median_ms=4.0), timing(median_ms=0.5)]
    assert geometric_mean_ms(performance(*times)) == pytest.approx(2**0.5)
    slower = [timing(median_ms=1.0), timing(median_ms=2.1)]
    assert performance_rank(measured(*times)) < performance_rank(measured(*slower))


def test_a_workload_that_was_not_timed_is_no_advantage():
    whole = measured(timing(median_ms=1.0), timing(median_ms=1.0))
    assert rank(whole) < rank(measured(timing(median_ms=0.1)))


def test_a_baseline_that_failed_says_nothing_about_the_kernel():
    failed = performance(timing(median_ms=1.0), not_timed={"N=64: compile": "out of memory"})
    assert rank(measured(performance=failed)) < rank(measured(timing(median_ms=1.1)))


def test_what_was_timed_comes_before_what_was_not():
    timed = measured(timing(median_ms=1000.0))
    assert rank(timed) < rank(evaluation(compiled()))
    assert rank(evaluation(compiled())) < rank(evaluation(compiled(spills=8)))


def test_only_measured_kernels_are_ordered_by_time():
    with pytest.raises(ValueError, match="measured time"):
        performance_rank(evaluation(compiled()))


def test_equal_kernels_share_a_line():
    text = describe_resources([compiled(), compiled(spills=16)], ["k: C7511: slow"])
    assert "k on sm_90: 32 registers, no spills, 0 B shared, 4 warps, 3 stages" in text
    assert "16 B spilled" in text
    assert "occupancy 100%" in text
    assert "occupancy 50%, limited by registers" in describe_resources([compiled(64)], [])
    assert text.endswith("assembler: k: C7511: slow")
    assert len(describe_resources([compiled(), compiled()], []).splitlines()) == 1
