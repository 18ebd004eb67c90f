"""What to ask next: explore, repair, optimise, or answer a review.

Owns the policy and the history that it reads. Pure: no model, no verifier, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runner.contract import Attempt, Candidate, EvaluationStatus
from runner.feedback import describe_briefly, describe_evaluation
from runner.prompts import render_prompt
from runner.prompts.sections import (
    contract_section,
    guidance_section,
    source_section,
    task_section,
)
from runner.task import Task
from runner.timing_text import ms_text
from runner.verifier.resources import geometric_mean_ms

Phase = Literal["explore", "repair", "optimise", "review"]
# How many earlier attempts a prompt lists: enough to see a circle, few enough to stay short.
MAX_EARLIER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One finished attempt and what was extracted from it (None: no kernel in the answer).

    `repeats` is the attempt whose source this one repeats; 0 is the kernel under review.
    """

    attempt: Attempt
    candidate: Candidate | None
    repeats: int | None = None

    @property
    def passed(self) -> bool:
        return self.attempt.evaluation.status is EvaluationStatus.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next question and why it is asked."""

    phase: Phase
    text: str


def next_step(
    task: Task, tried: Sequence[Tried], best: Tried | None, *, triton_version: str
) -> Step:
    """The next question, from everything tried so far.

    Nothing tried: the first prompt, or the review. Nothing right yet: the last failure with its
    source. Something right: the best kernel, with what was tried since and not kept.
    """
    slots = {
        "task": task_section(task),
        "guidance": guidance_section(task.feedback),
        "contract": contract_section(task, triton_version),
    }
    if not tried:
        if task.parent is None:
            return Step(phase="explore", text=render_prompt("first", **slots))
        source = source_section(task.parent.source, "Its source, the whole of `kernel.py`:")
        return Step(phase="review", text=render_prompt("review", source=source, **slots))
    last = tried[-1]
    if best is None or best.candidate is None:
        return Step(phase="repair", text=_repair(task, tried, slots))
    text = render_prompt(
        "optimise",
        verdict=describe_evaluation(best.attempt.evaluation),
        source=source_section(best.candidate.source),
        last_try="" if last is best else _not_kept(last, best),
        earlier=_earlier([row for row in tried[:-1] if row is not best]),
        **slots,
    )
    return Step(phase="optimise", text=text)


def _repair(task: Task, tried: Sequence[Tried], slots: dict[str, str]) -> str:
    last = tried[-1]
    verdict = describe_evaluation(last.attempt.evaluation)
    with_source = next((row for row in reversed(tried) if row.candidate is not None), None)
    if with_source is not None and with_source.candidate is not None:
        title = "The kernel that this is about, the whole of `kernel.py`:"
        if with_source is not last:
            brief = describe_briefly(with_source.attempt.evaluation)
            title = (
                f"The last answer with a kernel was attempt {with_source.attempt.index}: {brief}"
            )
        source = source_section(with_source.candidate.source, title)
    elif task.parent is not None:
        source = source_section(task.parent.source, "The kernel under review:")
    else:
        source = ""
    if last.repeats is not None:
        verdict += f"\n\n{_repetition(last)}"
    return render_prompt(
        "repair", verdict=verdict, source=source, earlier=_earlier(tried[:-1]), **slots
    )


def _not_kept(last: Tried, best: Tried) -> str:
    """What the attempt after the best one was, and why the best one stays."""
    if last.repeats is not None:
        return f"## The last try\n\n{_repetition(last)}"
    if last.passed:
        why = f"It passed too, but is no better{_by_time(last, best)}, so the kernel above stays."
    else:
        why = "It was not kept."
    parts = [f"## The last try\n\n{why}", describe_evaluation(last.attempt.evaluation)]
    if last.candidate is not None:
        parts.append(source_section(last.candidate.source))
    return "\n\n".join(parts)


def _by_time(last: Tried, best: Tried) -> str:
    """Both times, where a GPU took both."""
    measured = [row.attempt.evaluation.performance for row in (last, best)]
    if measured[0] is None or measured[1] is None:
        return ""
    mine, theirs = (ms_text(geometric_mean_ms(row)) for row in measured if row is not None)
    return f" ({mine} against {theirs}, the geometric means over the workloads)"


def _repetition(row: Tried) -> str:
    if row.repeats == 0:
        return "You returned the kernel under review unchanged: the review asks for a change."
    return f"You returned the source of attempt {row.repeats} again, unchanged: change it."


def _earlier(rows: Sequence[Tried]) -> str:
    """The attempts before the last, one line each, newest last."""
    if not rows:
        return ""
    lines = [
        f"- attempt {row.attempt.index}: `{_code(describe_briefly(row.attempt.evaluation))}`"
        for row in rows[-MAX_EARLIER:]
    ]
    return "Earlier attempts, so that nothing is tried twice:\n\n" + "\n".join(lines)


def _code(text: str) -> str:
    # A verdict can quote the candidate: no backtick may close the span that holds it.
    return text.replace("`", "'")
