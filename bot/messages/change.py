"""What a round says beside the code: the comment on what changed, and the check run. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages.evidence import (
    attempts_table,
    benchmark_table,
    best_of,
    correctness_table,
    headline,
    resources_table,
    why_believe_it,
)
from bot.messages.markdown import clip, fold, paragraphs
from bot.messages.run_facts import feedback_parts
from runner.contract import Feedback, KernelResources, ResultBundle

# GitHub cuts the summary of a check run above this.
MAX_CHECK_CHARS = 65_535


def changed(
    manifest: ResultBundle,
    feedback: Feedback | None,
    before: Sequence[KernelResources],
    commit_sha: str,
) -> str:
    """The comment after a second round: what was asked, and what is different now."""
    best = best_of(manifest)
    asked = feedback_parts(feedback)
    return clip(
        [
            f"**The kernel has changed** in {commit_sha}: attempt {manifest.best_attempt} of "
            f"{len(manifest.attempts)} {best.status.value}.",
            "#### Time\n\n" + benchmark_table(best),
            "#### Resources, before → after\n\n" + resources_table(best.resources, before),
            "#### Attempts\n\n" + attempts_table(manifest),
            fold("What was asked", paragraphs(*asked)) if asked else "",
        ]
    )


def check_title(manifest: ResultBundle) -> str:
    best = best_of(manifest)
    cases = len(best.correctness.cases) if best.correctness else 0
    return f"{best.status.value}: {cases} comparisons within their error budgets"


def check_summary(manifest: ResultBundle) -> str:
    best = best_of(manifest)
    return clip(
        [
            headline(manifest),
            why_believe_it(manifest),
            correctness_table(best),
            resources_table(best.resources, ()),
        ],
        MAX_CHECK_CHARS,
    )
