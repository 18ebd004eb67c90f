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
from runner.verifier.resources import describe_resources, occupancy, resource_rank

WORKLOAD = Workload(axes={"N": 64})


def compiled(registers=32, spills=0, shared=0, warps=4, kernel="k") -> KernelResources:
    return KernelResources(
        kernel=kernel,
        workload=WORKLOAD,
        target="sm_90",
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


def test_equal_kernels_share_a_line():
    text = describe_resources([compiled(), compiled(spills=16)], ["k: C7511: slow"])
    assert "k on sm_90: 32 registers, no spills, 0 B shared, 4 warps, 3 stages" in text
    assert "16 B spilled" in text
    assert text.endswith("assembler: k: C7511: slow")
    assert len(describe_resources([compiled(), compiled()], []).splitlines()) == 1
