"""What a reviewer reads first: the pull request's title, body and commit message. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bot.messages.evidence import (
    attempts_table,
    best_of,
    correctness_table,
    headline,
    resources_table,
    timing,
    why_believe_it,
)
from bot.messages.markdown import clip, code, fence, fold, paragraphs, table
from runner.contract import KernelRequest, KernelResources, Outcome, ResultBundle
from runner.problem import Tolerance, problem_of


def title(manifest: ResultBundle) -> str:
    best = best_of(manifest)
    if manifest.outcome is Outcome.IMPROVED:
        return f"kernel: {manifest.problem}, correct and faster than every baseline"
    timed = "no significant win in time" if best.performance else "not timed"
    return f"kernel: {manifest.problem}, correct, {timed}"


def commit_message(manifest: ResultBundle, issue_number: int) -> str:
    """Subject, facts, and the trailers by which the bot knows its own commit again."""
    best = best_of(manifest)
    verb = "Add" if manifest.generation == 0 else "Change"
    cases = len(best.correctness.cases) if best.correctness else 0
    return (
        f"{verb} kernel {manifest.problem}\n\n"
        f"Correct in {cases} comparisons on {best.device}; attempt {manifest.best_attempt} of "
        f"{len(manifest.attempts)}. Request: #{issue_number}.\n\n"
        f"{request_trailer(manifest.request_id or '')}\n"
        f"Kernel-SHA256: {best.candidate_sha256}\n"
    )


def request_trailer(request_id: str) -> str:
    return f"Kernelwright-Request: {request_id}"


def body(
    manifest: ResultBundle,
    request: KernelRequest,
    before: Sequence[KernelResources],
    problems_folder: str = "problems",
) -> str:
    """The pull request's description; cut by whole sections where it would be too long."""
    best = best_of(manifest)
    return clip(
        [
            headline(manifest),
            f"Closes #{request.issue_number}",
            "### Why believe it\n\n" + paragraphs(why_believe_it(manifest), _tolerance(request)),
            "### Correctness\n\n" + correctness_table(best),
            "### Resources\n\n" + resources_table(best.resources, before),
            "### Time\n\n" + timing(best),
            "### Reproduce\n\n" + _reproduce(f"{problems_folder}/{manifest.problem}"),
            "### Run\n\n" + _cost(manifest),
            fold("Every attempt", attempts_table(manifest)),
            "To change the kernel, request changes in a review or comment "
            "`/regenerate <guidance>`; the loop then starts from this kernel.",
        ]
    )


def _tolerance(request: KernelRequest) -> str:
    """What the spec says about its own error budget; nothing where it takes the default."""
    tolerance = problem_of(request).tolerance
    if tolerance == Tolerance():
        return ""
    return (
        f"The spec sets its error budget itself: {tolerance.multiplier:g} times the reference's "
        f"own error, where {Tolerance().multiplier:g} times is the default. Its reason:\n\n"
        # Wrapped: a fence scrolls sideways, and the reason is what the reviewer has to judge.
        + fence(textwrap.fill(tolerance.reason, 88) or "none given", limit=1000)
    )


def _reproduce(folder: str) -> str:
    commands = f"python -m runner verify {folder}\npython -m pytest {folder}/test_kernel.py"
    return f"```console\n{commands}\n```"


def _cost(manifest: ResultBundle) -> str:
    cost, machine = manifest.cost, manifest.environment
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
        ["GPU", code(machine.gpu, 80) if machine.gpu else "none"],
        [
            "software",
            code(f"torch {machine.torch}, triton {machine.triton}, Python {machine.python}", 200),
        ],
        ["sandbox", machine.sandbox],
        ["request", code(manifest.request_id or "none")],
        ["spec", code(manifest.problem_sha256)],
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
