"""What a run was asked, what it spent and where it ran; and the nearest miss of one that failed.

Pure. Words of people and of models are shown as code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.messages.markdown import code, fence, paragraphs, table
from runner.contract import (
    Attempt,
    EvaluationStatus,
    Feedback,
    KernelRequest,
    OutputError,
    ResultBundle,
)
from runner.error_shares import worst_share
from runner.problem import Problem

# How far through the verifier's stages an attempt came: the later it fails, the nearer it was.
_NEARNESS = (
    EvaluationStatus.REJECTED,
    EvaluationStatus.COMPILE_ERROR,
    EvaluationStatus.CHEATED,
    EvaluationStatus.TIMEOUT,
    EvaluationStatus.RUNTIME_ERROR,
    EvaluationStatus.INCORRECT_SHAPE,
    EvaluationStatus.INCORRECT_DTYPE,
    EvaluationStatus.INCORRECT_NUMERICAL,
    EvaluationStatus.PASSED,
)


def asked_of_the_model(manifest: ResultBundle, request: KernelRequest, problem: Problem) -> str:
    """The task in the requester's words, a reviewer's guidance, and how many questions it took."""
    phases = Counter(attempt.phase for attempt in manifest.attempts)
    counted = ", ".join(f"{count} × {phase}" for phase, count in phases.items())  # noqa: RUF001
    start = "from the kernel on the branch" if request.parent_kernel else "from nothing"
    words = fence(problem.summary + (f"\n\n{problem.hints}" if problem.hints.strip() else ""))
    asked = feedback_parts(request.feedback)
    return paragraphs(
        f"A kernel for `problem.toml` and `reference.py` of this folder, {start}, policy "
        f"{code(problem.policy)}; every prompt after the first carried the verifier's findings. "
        f"Attempts by phase: {counted or 'none'}; tuning asks the model nothing.",
        words,
        *(["With this guidance:", *asked] if asked else []),
    )


def feedback_parts(feedback: Feedback | None) -> list[str]:
    """A reviewer's words, each in a fence."""
    if feedback is None:
        return []
    parts = [fence(feedback.text, limit=4000)] if feedback.text.strip() else []
    for comment in feedback.comments:
        line = f", line {comment.line}" if comment.line is not None else ""
        where = f"on {code(comment.path, 200)}{line}"
        parts.append(paragraphs(where, fence(comment.body, limit=2000)))
    return parts


def cost_table(manifest: ResultBundle) -> str:
    """Attempts, tokens, seconds and money."""
    cost = manifest.cost
    rows = [
        ["model", code(manifest.model, 120)],
        ["attempts", f"{len(manifest.attempts)} (best: {manifest.best_attempt})"],
        ["stopped because", code(manifest.stopped_because)],
        [
            "seconds",
            f"{cost.wall_s:.1f} (model {cost.model_s:.1f}, verifier {cost.verifier_s:.1f})",
        ],
        ["tokens", _tokens(manifest)],
        ["price", "not known" if cost.usd is None else f"US$ {cost.usd:.2f}"],
    ]
    return table(["", ""], rows)


def environment_table(manifest: ResultBundle) -> str:
    """Machine, software, sandbox, and the digests by which the run is found again."""
    machine = manifest.environment
    gpu = [machine.gpu or "none"]
    gpu += [f"driver {machine.driver}"] if machine.driver else []
    gpu += [f"CUDA {machine.cuda}"] if machine.cuda else []
    gpu += [f"{name} {mhz} MHz" for name, mhz in list((machine.clocks_mhz or {}).items())[:4]]
    software = f"torch {machine.torch}, triton {machine.triton}, Python {machine.python}"
    rows = [
        ["GPU", code(", ".join(gpu), 200) if machine.gpu else "none"],
        ["software", code(software, 200)],
        ["sandbox", machine.sandbox],
        ["request", code(manifest.request_id or "none")],
        ["spec", code(manifest.problem_sha256)],
    ]
    return table(["", ""], rows)


def nearest_miss(attempts: Sequence[Attempt]) -> str:
    """The failed attempt that came furthest, and the input on which it failed.

    Empty where there is none.
    """
    failed = [row for row in attempts if row.evaluation.status is not EvaluationStatus.PASSED]
    if not failed:
        return ""
    best = max(failed, key=_nearness)
    evaluation = best.evaluation
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    wrong = [case for case in cases if not case.within_budget]
    parts = [
        f"The nearest was attempt {best.index}, {evaluation.status.value} in stage "
        f"{code(evaluation.stage, 40)}: {code(evaluation.summary)}"
    ]
    if wrong:
        parts.append(f"Its failing input:\n\n{_failing(max(wrong, key=worst_share))}")
    if evaluation.detail.strip():
        parts.append(fence(evaluation.detail, limit=3000))
    return paragraphs(*parts)


def _nearness(attempt: Attempt) -> tuple[int, float]:
    evaluation = attempt.evaluation
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    share = max(map(worst_share, cases), default=0.0)
    return (_NEARNESS.index(evaluation.status), -share)


def _failing(case: OutputError) -> str:
    def shown(value: float | None) -> str:
        return "not finite" if value is None else f"{value:.6g}"

    rows = [
        ["workload", code(str(case.workload), 200)],
        ["inputs", code(case.distribution, 40)],
        ["output", code(case.output, 40)],
        ["wrong elements", f"{case.wrong_elements:,} of {case.elements:,}"],
        ["worst at", code(str(list(case.worst_index)), 80) if case.worst_index else "not known"],
        ["expected, found", f"{shown(case.expected)}, {shown(case.found)}"],
        ["error, budget", f"{shown(case.max_error)}, {shown(case.max_budget)}"],
    ]
    return table(["", ""], rows)


def _tokens(manifest: ResultBundle) -> str:
    cost = manifest.cost
    parts = [
        f"{count} {kind}"
        for kind, count in (
            ("prompt", cost.prompt_tokens),
            ("reasoning", cost.reasoning_tokens),
            ("completion", cost.completion_tokens),
        )
        if count is not None
    ]
    return ", ".join(parts) or "not reported"
