"""What the prompts' tests talk about: a small softmax, kernels for it, and attempts at it.

Verdicts of the extraction and the screen are made there, so that their words are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.contract import (
    Attempt,
    Candidate,
    Evaluation,
    Feedback,
    InlineComment,
    TokenUsage,
)
from runner.extract import NoKernel, extract_candidate, rejection
from runner.problem import Problem, parse_problem
from runner.prompts.questions import GpuFigures, PromptContext
from runner.task import Task
from runner.tried import Tried
from runner.verifier.screen import screen
from tests.fakes.prompt_verdicts import ROOFLINE, verdict

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
