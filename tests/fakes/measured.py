"""Evaluations as a GPU's verifier would give them: times, intervals, resources and a roofline."""

from __future__ import annotations

from typing import Any

from runner.contract import (
    BaselineTiming,
    Correctness,
    Evaluation,
    KernelResources,
    OutputError,
    Performance,
    Roofline,
    Workload,
    WorkloadTiming,
)

N = Workload(axes={"N": 65536})
ROOFLINE = Roofline(
    copy_gb_per_s=4000.0,
    matmul_tflop_per_s={"float16": 700.0},
    l2_bytes=50 << 20,
    multiprocessors=132,
)
DIGEST = "0" * 64


def baseline(name: str = "eager", ratio: float = 2.0, *, spread: float = 0.1) -> BaselineTiming:
    """A baseline `ratio` times as slow, with an interval of ± `spread`."""
    return BaselineTiming(
        name=name,
        median_ms=ratio,
        ratio=ratio,
        ratio_low=ratio - spread,
        ratio_high=ratio + spread,
    )


def timing(workload: Workload = N, **fields: Any) -> WorkloadTiming:
    """One workload: 1 ms, twice as fast as eager, bound by memory at half of the roofline."""
    usual: dict[str, Any] = {
        "median_ms": 1.0,
        "baselines": (baseline(),),
        "calls": 100,
        "moved_bytes": 1 << 20,
        "gb_per_s": 2000.0,
        "roofline_share": 0.5,
        "bound": "memory",
        "floor_ms": 0.4,
    }
    return WorkloadTiming(workload=workload, **{**usual, **fields})


def compiled(workload: Workload = N, **fields: Any) -> KernelResources:
    """One launch: 32 registers, so that nothing limits its occupancy."""
    usual: dict[str, Any] = {
        "kernel": "kernel",
        "target": "sm_90",
        "registers": 32,
        "spill_bytes": 0,
        "shared_bytes": 0,
        "num_warps": 4,
        "num_stages": 3,
    }
    return KernelResources(workload=workload, **{**usual, **fields})


def compared(workload: Workload = N, **fields: Any) -> OutputError:
    """One comparison at a tenth of its budget."""
    usual: dict[str, Any] = {
        "distribution": "normal",
        "output": "y",
        "elements": 77,
        "wrong_elements": 0,
        "max_error": 1e-7,
        "max_budget": 1e-6,
        "rms_error": 1e-8,
        "rms_budget": 1e-7,
        "worst_index": (3,),
    }
    return OutputError(workload=workload, **{**usual, **fields})


def performance(*timings: WorkloadTiming, **fields: Any) -> Performance:
    """The given timings, or the usual one, from one process."""
    return Performance(timings=timings or (timing(),), **{"roofline": ROOFLINE, **fields})


def measured(*timings: WorkloadTiming, **fields: Any) -> Evaluation:
    """A kernel that passed on a GPU and was timed there."""
    usual: dict[str, Any] = {
        "status": "PASSED",
        "candidate_sha256": DIGEST,
        "device": "cuda",
        "stage": "timing",
        "summary": "correct on 1 comparison",
        "correctness": Correctness(cases=(compared(),)),
        "resources": (compiled(),),
        "performance": performance(*timings),
        "stage_s": {"screen": 0.01, "timing": 0.5},
    }
    return Evaluation(**{**usual, **fields})
