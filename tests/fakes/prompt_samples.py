"""What the prompts' tests talk about: a small softmax, kernels for it, and verdicts on them.

The verdicts are in the verifier's words; those of the extraction and the screen are made there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.contract import (
    Attempt,
    BaselineTiming,
    Candidate,
    Evaluation,
    Feedback,
    InlineComment,
    Roofline,
    TokenUsage,
    Workload,
    WorkloadTiming,
)
from runner.extract import NoKernel, extract_candidate, rejection
from runner.problem import Problem, parse_problem
from runner.prompts.questions import GpuFigures, PromptContext
from runner.task import Task
from runner.tried import Tried
from runner.verifier.screen import screen
from tests.fakes.measured import compared, compiled, measured, performance, timing

PROBLEM_TOML = """\
name = "scaled_softmax"
entry = "scaled_softmax"
summary = "Softmax of each row, scaled by 0.125"
family = "softmax"
policy = "triton-only"
baselines = ["eager", "compile"]
hints = "Scale by 0.125 * 1.44269504 when working in exp2."

[axes]
M = [1, 65536]
N = [1, 16384]

[[inputs]]
name = "x"
shape = ["M", "N"]
dtype = "float16"

[[outputs]]
name = "y"
shape = ["M", "N"]
dtype = "float16"

[[tests]]
M = 7
N = 77
[[tests]]
M = 3
N = 1025
[[benchmarks]]
M = 8192
N = 4096
[[benchmarks]]
M = 16384
N = 1024
"""
REFERENCE_PY = '''\
"""Softmax of scaled rows: the correctness oracle."""

import torch


def scaled_softmax(x: torch.Tensor) -> torch.Tensor:
    """softmax(0.125 · x) over the last axis; x and the result are [M, N]."""
    return torch.softmax(x * 0.125, dim=-1)
'''
KERNEL = '''\
"""Softmax of scaled rows: one program for each row."""

import torch
import triton
import triton.language as tl


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, N, BLOCK_N: tl.constexpr):
    """Row program_id(0) of contiguous [M, N]; BLOCK_N is N or more."""
    offset = tl.program_id(0).to(tl.int64) * N
    cols = tl.arange(0, BLOCK_N)
    mask = cols < N
    x = tl.load(x_ptr + offset + cols, mask=mask, other=0.0).to(tl.float32)
    x = tl.exp2((x - tl.max(x, axis=0)) * (0.125 * 1.44269504))
    y = x / tl.sum(x, axis=0)
    tl.store(y_ptr + offset + cols, y.to(y_ptr.dtype.element_ty), mask=mask)


def scaled_softmax(x):
    """softmax(0.125 * x) of each row of a contiguous float16 [M, N]."""
    M, N = x.shape
    y = torch.empty_like(x)
    _softmax_kernel[(M,)](x, y, N, BLOCK_N=triton.next_power_of_2(N), num_warps=4)
    return y
'''
RIGHT_KERNEL = KERNEL.replace("other=0.0", 'other=-float("inf")')
ROOFLINE = Roofline(
    copy_gb_per_s=2900.0,
    matmul_tflop_per_s={"float16": 710.0, "bfloat16": 730.0, "float32": 50.0},
    l2_bytes=50 << 20,
    multiprocessors=132,
)
LARGE = Workload(axes={"M": 8192, "N": 4096})
WIDE = Workload(axes={"M": 16384, "N": 1024})


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleExemplar:
    """A stand-in of the exemplars' type: a kernel of ours under a title."""

    title: str
    source: str


EXEMPLAR = SampleExemplar(
    title="Row softmax, one pass",
    source=RIGHT_KERNEL.replace("(0.125 * 1.44269504)", "1.44269504"),
)
FEEDBACK = Feedback(
    author="reviewer",
    text="Thanks! Two things:\n\n- N above 8192 should not spill.\n- Why is the row index int64?",
    comments=(
        InlineComment(
            path="problems/scaled_softmax/kernel.py",
            line=26,
            code=KERNEL.splitlines()[-2],
            body="Choose num_warps from N: four are few for 16384 columns.",
        ),
    ),
)


def softmax_problem() -> Problem:
    """The problem that all these questions are about."""
    return parse_problem(PROBLEM_TOML, REFERENCE_PY)


def context(*, gpu: bool = True, **task: Any) -> PromptContext:
    """What a run on an H100, or on a machine without a GPU, shares."""
    return PromptContext(
        task=Task(problem=softmax_problem(), **task),
        triton_version="3.6.0",
        figures=GpuFigures(roofline=ROOFLINE, name="NVIDIA H100 80GB HBM3") if gpu else None,
        exemplar=EXEMPLAR,
    )


def attempt(
    index: int,
    evaluation: Evaluation,
    source: str | None = KERNEL,
    *,
    kept: bool = False,
    change: str | None = None,
    repeats: int | None = None,
) -> Tried:
    """One finished attempt with this verdict."""
    row = Attempt(
        index=index,
        phase="explore",
        evaluation=evaluation,
        tokens=TokenUsage(),
        model_s=60,
        verifier_s=2,
        kept=kept,
    )
    candidate = None if source is None else Candidate.of(source, index)
    return Tried(attempt=row, candidate=candidate, change=change, repeats=repeats)


def verdict(status: str, stage: str, summary: str, detail: str = "") -> Evaluation:
    """A failed evaluation in the verifier's words."""
    return Evaluation(
        status=status,
        candidate_sha256="0" * 64,
        device="cuda",
        stage=stage,
        summary=summary,
        detail=detail,
    )


def answered(content: str, *, cut: bool = False) -> Tried:
    """The attempt that an answer without a kernel is, in the extraction's words."""
    failure = extract_candidate(content, entry="scaled_softmax", attempt=1, cut=cut)
    if not isinstance(failure, NoKernel):
        raise TypeError("this answer has a kernel")
    return attempt(1, rejection(failure, content), None)


def screened(source: str) -> Tried:
    """The attempt that a kernel is which the screen refuses, in the screen's words."""
    finding = screen(source, softmax_problem())
    if finding is None:
        raise ValueError("the screen finds nothing in this kernel")
    return attempt(1, verdict("REJECTED", finding.stage, finding.summary, finding.detail), source)


def _timed(
    workload: Workload, median_ms: float, eager_ms: float, compile_ms: float
) -> WorkloadTiming:
    moved_bytes = 4 * workload.axes["M"] * workload.axes["N"]
    rows = (("eager", eager_ms / median_ms), ("compile", compile_ms / median_ms))
    return timing(
        workload,
        median_ms=median_ms,
        baselines=tuple(
            BaselineTiming(
                name=name,
                median_ms=round(ratio * median_ms, 4),
                ratio=ratio,
                ratio_low=ratio - 0.01,
                ratio_high=ratio + 0.01,
            )
            for name, ratio in rows
        ),
        moved_bytes=moved_bytes,
        gb_per_s=moved_bytes / median_ms / 1e6,
        roofline_share=moved_bytes / median_ms / 1e6 / ROOFLINE.copy_gb_per_s,
        floor_ms=round(moved_bytes / 2 / ROOFLINE.copy_gb_per_s / 1.1e6, 4),
    )


def passed(large_ms: float = 0.0644, wide_ms: float = 0.0268) -> Evaluation:
    """A kernel that passed and was timed on an H100."""
    rows = (
        _timed(LARGE, large_ms, 0.0953, 0.0576),
        _timed(WIDE, wide_ms, 0.0489, 0.0302),
    )
    resources = (
        compiled(LARGE, kernel="_softmax_kernel", registers=255, spill_bytes=48, grid=(8192,)),
        compiled(WIDE, kernel="_softmax_kernel", registers=40, grid=(16384,)),
    )
    return measured(
        performance=performance(*rows, roofline=ROOFLINE),
        summary="correct on 26 comparisons; timed on 2 workload(s)",
        resources=resources,
    )


def passed_without_gpu() -> Evaluation:
    """A kernel that passed in the interpreter and was compiled."""
    return measured(
        device="cpu",
        performance=None,
        stage="integrity",
        summary="correct on 26 comparisons; compiles for sm_90",
        detail="_softmax_kernel on sm_90: 255 registers, 48 B spilled (M=8192 N=4096)",
        correctness={"cases": [compared(LARGE)]},
        resources=(compiled(LARGE, kernel="_softmax_kernel", registers=255, spill_bytes=48),),
    )


COMPILE_ERROR = verdict(
    "COMPILE_ERROR",
    "compile",
    "kernel.py:12: ValueError: arange's range must be a power of 2",
    "kernel.py:12: ValueError: arange's range must be a power of 2\n"
    "While compiling for sm_90 with M=7 N=77.",
)
INCORRECT = verdict(
    "INCORRECT_NUMERICAL",
    "sweep",
    "y: every element wrong (100 %) on M=7 N=77 [normal]",
    "Output y on M=7 N=77 [normal]:\n"
    "- every element wrong (100 %)\n"
    "- first at [0, 0]: expected 0.0164577, found 0.00998688\n"
    "- worst at [5, 1]: expected 0.0155553, found 0.00939941\n"
    "- largest error 0.00616, budget there 2.26e-05\n"
    "Wrong on: M=2 N=1181; M=3 N=1025; M=7 N=77",
)
CHEATED = verdict(
    "CHEATED",
    "integrity",
    "the library computed: torch _softmax",
    "The policy is triton-only: all arithmetic must be in the candidate's own Triton kernels; "
    "allocation, views, copies and casts are allowed.\nLibrary operations that ran: _softmax",
)
TIMEOUT = verdict("TIMEOUT", "sweep", "the candidate did not finish in time on M=3 N=1025 [normal]")
RUNTIME_ERROR = verdict(
    "RUNTIME_ERROR",
    "smoke",
    "wrote outside its output y (102 bytes after its end)",
    "Wrote outside its output y (102 bytes after its end).\nOn M=7 N=77 [normal]. Every store "
    "needs a mask that keeps its offsets inside the tensor: the last block of each axis is where "
    "they run over.",
)
SHAPE = verdict(
    "INCORRECT_SHAPE",
    "smoke",
    "y has shape [7, 128], expected [7, 77]",
    "y has shape [7, 128], expected [7, 77]\nOn M=7 N=77 [normal].",
)
DTYPE = verdict(
    "INCORRECT_DTYPE",
    "smoke",
    "y is float32, expected float16",
    "y is float32, expected float16\nOn M=7 N=77 [normal].",
)
