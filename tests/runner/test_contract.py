from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from runner.contract import (
    Candidate,
    Correctness,
    Evaluation,
    KernelRequest,
    KernelResources,
    OutputError,
    Performance,
    Workload,
    WorkloadTiming,
)

WORKLOAD = Workload(axes={"N": 77})
RESOURCES = KernelResources(
    kernel="k", workload=WORKLOAD, target="sm_90", registers=32, spill_bytes=0, shared_bytes=0,
    num_warps=4, num_stages=3,
)  # fmt: skip
TIMING = WorkloadTiming(workload=WORKLOAD, median_ms=1.0, baselines=(), calls=1, moved_bytes=1)
TIMED = Performance(timings=(TIMING,))


def case(**changed: Any) -> OutputError:
    fields: dict[str, Any] = {
        "workload": WORKLOAD, "distribution": "normal", "output": "y", "elements": 77,
        "wrong_elements": 0, "max_error": 1e-4, "max_budget": 1e-3, "rms_error": 1e-5,
        "rms_budget": 1e-4, "worst_index": (3,),
    }  # fmt: skip
    return OutputError(**{**fields, **changed})


def evaluation(**changed: Any) -> Evaluation:
    fields: dict[str, Any] = {
        "status": "PASSED", "candidate_sha256": "0" * 64, "device": "cpu", "stage": "done",
        "summary": "passed", "correctness": Correctness(cases=(case(),)),
        "resources": (RESOURCES,),
    }  # fmt: skip
    return Evaluation(**{**fields, **changed})


def request(**changed: Any) -> KernelRequest:
    fields: dict[str, Any] = {
        "request_id": "kw-0123456789abcdef", "repository": "octo/kernels", "base_sha": "a" * 40,
        "issue_number": 1, "generation": 0, "requested_by": "mona", "problem_toml": "",
        "reference_py": "",
    }  # fmt: skip
    return KernelRequest(**{**fields, **changed})


def test_performance_needs_a_gpu_and_a_pass() -> None:
    assert evaluation(device="cuda", performance=TIMED).performance == TIMED
    for changed in ({"device": "cpu"}, {"device": "cuda", "status": "TIMEOUT"}):
        with pytest.raises(ValidationError, match="performance without PASSED on a GPU"):
            evaluation(performance=TIMED, **changed)


@pytest.mark.parametrize("changed", [{"correctness": None}, {"resources": ()}])
def test_passed_needs_its_evidence(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="PASSED without"):
        evaluation(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"max_error": 2e-3},
        {"rms_error": 2e-4},
        {"wrong_elements": 1},
        {"max_error": None, "rms_error": None},
    ],
)
def test_passed_refuses_an_error_above_its_budget(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="error above its budget"):
        evaluation(correctness=Correctness(cases=(case(**changed),)))


def test_worst_case_is_the_one_nearest_its_budget() -> None:
    mild, severe = case(max_error=1e-4), case(max_error=9e-4, output="z")
    assert Correctness(cases=(severe, mild)).worst is severe
    assert Correctness(cases=(severe, case(max_error=None), mild)).worst.max_error is None


@pytest.mark.parametrize("field", ["max_error", "rms_error", "max_budget"])
def test_nan_is_no_error_figure(field: str) -> None:
    with pytest.raises(ValidationError):
        case(**{field: float("nan")})


def test_candidate_digest_must_match() -> None:
    candidate = Candidate.of("x = 1\n", attempt=1)
    with pytest.raises(ValidationError, match="not the digest"):
        Candidate(source="x = 2\n", sha256=candidate.sha256, attempt=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"request_id": "kw-1"},
        {"repository": "octo/kernels/../x"},
        {"issue_number": 0},
        {"base_sha": "HEAD"},
        {"surprise": 1},
        {"schema_version": 2},
        {"parent_kernel": "x = 1"},
        {"budget": {"wall_clock_s": 1e9}},
    ],
)
def test_request_refuses(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**changed)


def test_request_survives_its_json() -> None:
    original = request(parent_kernel="x = 1\n", parent_head_sha="b" * 40)
    assert KernelRequest.model_validate_json(original.model_dump_json()) == original
