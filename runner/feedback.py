"""From an evaluation to what the next prompt says about it.

Owns the advice for each status and the shape of the findings. Text that a candidate could have
shaped is fenced and capped.
"""

from __future__ import annotations

from runner.contract import Evaluation, EvaluationStatus
from runner.prompts import excerpt, fenced
from runner.prompts.code_lines import named_lines
from runner.resource_feedback import static_suggestions
from runner.speed_feedback import describe_speed
from runner.timing_text import why_not_measured

MAX_DETAIL_CHARS = 6_000

_ADVICE = {
    EvaluationStatus.REJECTED: "It was refused before it was compiled.",
    EvaluationStatus.COMPILE_ERROR: (
        "It does not compile for the target GPU. The message names the line of kernel.py."
    ),
    EvaluationStatus.RUNTIME_ERROR: "It compiled, and failed while it ran.",
    EvaluationStatus.INCORRECT_SHAPE: "It ran, but an output has the wrong shape or type.",
    EvaluationStatus.INCORRECT_DTYPE: "It ran, but an output has the wrong dtype.",
    EvaluationStatus.INCORRECT_NUMERICAL: (
        "It ran, but its numbers differ from the float64 reference by more than the error budget. "
        "Where they differ tells the cause: a partial tile points to a mask, everything to the "
        "formula or a scale, a few large values to overflow or too low a precision."
    ),
    EvaluationStatus.CHEATED: (
        "Its result was not computed the way the contract demands: in its own Triton kernels, "
        "from these inputs, in this call."
    ),
    EvaluationStatus.TIMEOUT: (
        "It did not finish in time: look for a loop that never ends, a grid that is far too "
        "large, or tiles so small that there are very many programs."
    ),
    EvaluationStatus.PASSED: "It passed every check.",
}


def describe_evaluation(
    evaluation: Evaluation, source: str | None = None, *, limit_chars: int = MAX_DETAIL_CHARS
) -> str:
    """Status, advice and findings of one evaluation, as Markdown for a prompt.

    Of `source`, the kernel that was judged, the lines that the findings name are shown. Findings
    longer than `limit_chars` keep their head and their tail.
    """
    found = findings(evaluation)
    parts = [
        f"Status: **{evaluation.status}** (stage: {evaluation.stage}). "
        f"{_ADVICE[evaluation.status]}",
        fenced(excerpt(found, limit_chars)),
    ]
    if evaluation.status is EvaluationStatus.PASSED:
        parts.append(_speed_of(evaluation, limit_chars))
    elif source is not None:
        parts.append(named_lines(found, source))
    return "\n\n".join(part for part in parts if part)


def findings(evaluation: Evaluation) -> str:
    """Summary and detail of an evaluation, without saying the same thing twice."""
    summary, detail = evaluation.summary.strip(), evaluation.detail.strip()
    if not detail or detail == summary:
        return summary
    return detail if detail.startswith(summary) else f"{summary}\n\n{detail}"


def advice(status: EvaluationStatus) -> str:
    """What a verdict means for whoever wrote the kernel, in a sentence or two."""
    return _ADVICE[status]


def _speed_of(evaluation: Evaluation, limit_chars: int) -> str:
    """Times where a GPU took them, else by what two kernels that pass are compared."""
    if evaluation.performance is not None:
        return describe_speed(evaluation, limit_chars)
    advice = "\n".join(
        f"{number}. {row}" for number, row in enumerate(static_suggestions(evaluation), start=1)
    )
    return (
        f"Time: {why_not_measured(evaluation)}. Two kernels that pass are compared by their "
        "resources: spilled bytes first, then the number of kernels launched, then how many warps "
        f"registers and shared memory let one multiprocessor hold. They suggest:\n\n{advice}"
    )
