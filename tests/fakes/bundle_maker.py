"""Bundles as a runner would hand them back, made at once: for tests that need no real kernel."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from runner.bundle import MANIFEST, describe_files
from runner.charts import draw_search, draw_times
from runner.contract import (
    Attempt,
    Correctness,
    Cost,
    Environment,
    Evaluation,
    KernelRequest,
    KernelResources,
    OutputError,
    ResultBundle,
    TokenUsage,
    Workload,
    sha256_hex,
)
from runner.problem import problem_digest, problem_of
from runner.results import results_of, write_results

SPEC = """\
name = "add_one"
entry = "add_one"
summary = "x + 1"

[axes]
N = [1, 4096]

[[inputs]]
name = "x"
shape = ["N"]
dtype = "float32"
[[outputs]]
name = "y"
shape = ["N"]
dtype = "float32"

[[tests]]
N = 77
[[benchmarks]]
N = 4096
"""
REFERENCE = "def add_one(x):\n    return x + 1\n"
KERNEL = '"""Kernel of round {generation}."""\n'


def passed(kernel: str, registers: int = 32) -> Evaluation:
    workload = Workload(axes={"N": 77})
    case = OutputError(
        workload=workload, distribution="normal", output="y", elements=77, wrong_elements=0,
        max_error=0.0, max_budget=1e-7, rms_error=0.0, rms_budget=1e-7, worst_index=(0,),
    )  # fmt: skip
    resources = KernelResources(
        kernel="add_one_kernel", workload=workload, target="sm_90", registers=registers,
        spill_bytes=0, shared_bytes=0, num_warps=4, num_stages=3,
    )  # fmt: skip
    return Evaluation(
        status="PASSED", candidate_sha256=sha256_hex(kernel), device="cpu", stage="done",
        summary="passed", correctness=Correctness(cases=(case,)), resources=(resources,),
    )  # fmt: skip


def rejected(summary: str = "does not parse") -> Evaluation:
    return Evaluation(
        status="REJECTED", candidate_sha256="0" * 64, device="cpu", stage="screen", summary=summary
    )


def manifest(
    request: KernelRequest, files: dict[str, bytes], verdict: Evaluation | None, **changes: Any
) -> ResultBundle:
    last = verdict or rejected(changes.pop("summary", "does not parse"))
    attempts = (
        _attempt(1, rejected()),
        _attempt(2, last),
    )
    fields: dict[str, Any] = {
        "request_id": request.request_id,
        "repository": request.repository,
        "issue_number": request.issue_number,
        "generation": request.generation,
        "problem": problem_of(request).name,
        "problem_sha256": problem_digest(request.problem_toml, request.reference_py),
        "parent_sha256": sha256_hex(request.parent_kernel) if request.parent_kernel else None,
        "model": "handwritten",
        "outcome": "CORRECT" if verdict else "UNSOLVED",
        "stopped_because": "no further answer",
        "attempts": attempts,
        "best_attempt": 2 if verdict else None,
        "best": verdict,
        "environment": Environment(
            gpu=None, driver=None, cuda=None, torch="2.13.0", triton="3.9.0", python="3.11.7",
            sandbox="bubblewrap",
        ),
        "cost": Cost(wall_s=1.0, model_s=0.0, verifier_s=1.0),
        "files": describe_files(files),
    }  # fmt: skip
    return ResultBundle(**{**fields, **changes})


def _attempt(index: int, evaluation: Evaluation) -> Attempt:
    return Attempt(
        index=index, phase="explore", evaluation=evaluation, tokens=TokenUsage(), model_s=0.0,
        verifier_s=1.0, kept=evaluation.status == "PASSED",
    )  # fmt: skip


def make_bundle(
    request: KernelRequest, *, solved: bool = True, kernel: str | None = None, **changes: Any
) -> bytes:
    """The artifact's zip for `request`."""
    source = kernel if kernel is not None else KERNEL.format(generation=request.generation)
    folder = f"problems/{problem_of(request).name}"
    verdict = passed(source, 32 - request.generation) if solved else None
    texts = {"problem.toml": request.problem_toml, "reference.py": request.reference_py}
    if request.baseline_py is not None:
        texts["baseline.py"] = request.baseline_py
    if verdict is not None:
        found = results_of(manifest(request, {}, verdict, **changes), None, {})
        texts |= {
            "kernel.py": source,
            "test_kernel.py": "def test_nothing(): ...\n",
            "bench_kernel.py": "def bench_nothing(): ...\n",
            "results.json": write_results(found),
            "search.svg": draw_search(found),
            "times.svg": draw_times(found),
            "README.md": "# add_one\n",
        }
    files = {f"{folder}/{name}": text.encode() for name, text in texts.items()}
    described = manifest(request, files, verdict, **changes)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, described.model_dump_json())
        for path, data in files.items():
            archive.writestr(path, data)
    return buffer.getvalue()
