"""The questions that the loop asks: a beginning, a repair, an optimisation, a review.

Owns which section stands in which question. Pure: what to ask is `runner.search`'s to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from runner.tried import Line, Tried
from runner.verifier.resources import geometric_mean_ms

# How many earlier attempts a prompt lists: enough to see a circle, few enough to stay short.
MAX_EARLIER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContext:
    """What every question of a run has in common."""

    task: Task
    triton_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, and the same with less in it, longest first, for a model of a small context."""

    text: str
    shorter: tuple[str, ...] = ()


def first(context: PromptContext, variant: int) -> Question:
    """A beginning from nothing."""
    return Question(text=render_prompt("first", **_slots(context)))


def review(context: PromptContext) -> Question:
    """The reviewer's words on the kernel that the run started from."""
    if context.task.parent is None:
        raise ValueError("a review is about a kernel")
    source = source_section(context.task.parent.source, "Its source, the whole of `kernel.py`:")
    return Question(text=render_prompt("review", source=source, **_slots(context)))


def repair(context: PromptContext, line: Line) -> Question:
    """The last failure of a line, with the source that it is about."""
    long = _repair(context, line, earlier=True)
    short = _repair(context, line, earlier=False)
    return Question(text=long, shorter=(short,) if short != long else ())


def optimise(context: PromptContext, best: Tried, line: Line) -> Question:
    """The best kernel of a line, with what was tried since and not kept."""
    long = _optimise(context, best, line, earlier=True)
    short = _optimise(context, best, line, earlier=False)
    return Question(text=long, shorter=(short,) if short != long else ())


def _slots(context: PromptContext) -> dict[str, str]:
    return {
        "task": task_section(context.task),
        "guidance": guidance_section(context.task.feedback),
        "contract": contract_section(context.task, context.triton_version),
    }


def _repair(context: PromptContext, line: Line, *, earlier: bool) -> str:
    tried, last, parent = line.attempts, line.attempts[-1], context.task.parent
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
    elif parent is not None:
        source = source_section(parent.source, "The kernel under review:")
    else:
        source = ""
    if last.repeats is not None:
        verdict += f"\n\n{_repetition(last)}"
    rows = _earlier(tried[:-1]) if earlier else ""
    return render_prompt("repair", verdict=verdict, source=source, earlier=rows, **_slots(context))


def _optimise(context: PromptContext, best: Tried, line: Line, *, earlier: bool) -> str:
    if best.candidate is None:
        raise ValueError("a kernel that passed has a source")
    last = line.attempts[-1]
    before = [row for row in line.attempts[:-1] if row is not best]
    return render_prompt(
        "optimise",
        verdict=describe_evaluation(best.attempt.evaluation),
        source=source_section(best.candidate.source),
        last_try="" if last is best else _not_kept(last, best),
        earlier=_earlier(before) if earlier else "",
        **_slots(context),
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
