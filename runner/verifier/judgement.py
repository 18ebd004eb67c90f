"""The outputs of one call beside the expected ones: every comparison made, and what is wrong.

Owns the finding INCORRECT_NUMERICAL and its words. The bytes come from `outputs`, the rule from
`comparison`, the clues from `patterns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from runner.contract import EvaluationStatus, OutputError
from runner.problem import Problem
from runner.verifier.arena import SharedMemory
from runner.verifier.comparison import compare
from runner.verifier.evidence import on_case, output_error
from runner.verifier.finding import Finding
from runner.verifier.integrity import Facts
from runner.verifier.oracle import PreparedCase
from runner.verifier.outputs import read_outputs
from runner.verifier.patterns import describe_difference


def judge_outputs(
    problem: Problem,
    prepared: PreparedCase,
    outputs: Sequence[torch.Tensor],
    stage: str,
    facts: Facts,
) -> tuple[list[OutputError], Finding | None]:
    """A row for each output, and the finding if one of them is wrong."""
    case, multiplier = prepared.case, problem.tolerance.multiplier
    rows: list[OutputError] = []
    lines: list[str] = []
    wrong = ""
    for spec, found, expected in zip(problem.outputs, outputs, prepared.expected, strict=True):
        comparison = compare(found, expected, multiplier)
        rows.append(output_error(case, spec.name, comparison))
        if comparison.passed:
            continue
        others = {
            other.name: truth.exact
            for other, truth in zip(problem.outputs, prepared.expected, strict=True)
            if other is not spec
        }
        said = describe_difference(found, expected, comparison, spec.shape, others)
        wrong = wrong or f"{spec.name}: {said[0]}"
        lines += [f"Output {spec.name} {on_case(case)}:", *(f"- {line}" for line in said)]
    if not lines:
        return rows, None
    lines += [f"Configuration of {name}: {text}" for name, text in facts.configs.items()]
    return rows, Finding(
        status=EvaluationStatus.INCORRECT_NUMERICAL,
        stage=stage,
        summary=f"{wrong} {on_case(case)}",
        detail="\n".join(lines),
    )


def compare_outputs(
    problem: Problem, prepared: PreparedCase, reply: dict[str, Any], arena: SharedMemory
) -> Finding | None:
    """Judge the outputs that a timed call left in the arena."""
    outputs = read_outputs(problem, prepared.case, reply, arena, "timing")
    if isinstance(outputs, Finding):
        return outputs
    return judge_outputs(problem, prepared, outputs, "timing", Facts.from_reply(reply))[1]
