"""The questions: the first one, a repair, an optimisation, a review, each also in shorter forms.

Owns what a question is made of, and what it gives up first where a model's context is small. Pure:
`runner.search` decides which question is asked, and about which attempt.
"""

from __future__ import annotations

from runner.feedback import describe_evaluation
from runner.prompts import render_prompt
from runner.prompts.attempts import (
    faulty_source,
    last_of,
    last_try,
    next_step_text,
    repetition,
    source_of,
    tuning_note,
    what_counts,
    what_works,
    where_to_begin,
)
from runner.prompts.context import Exemplar, GpuFigures, PromptContext
from runner.prompts.history import history_table, others_table
from runner.prompts.remedies import not_a_kernel, ran_out_of_room
from runner.prompts.review_points import count_points, guidance_section
from runner.prompts.sections import (
    ITS_DESIGN,
    answer_section,
    contract_section,
    exemplar_section,
    gpu_section,
    source_section,
    task_section,
)
from runner.prompts.shorten import Detail, Question, question_of
from runner.prompts.strategies import strategy
from runner.tried import Line, Tried

__all__ = [
    "Exemplar",
    "GpuFigures",
    "Line",
    "PromptContext",
    "Question",
    "first",
    "optimise",
    "repair",
    "review",
]

_DIAGNOSIS = (
    "`DIAGNOSIS: ` and one or two sentences: which line is wrong, and why the findings above "
    "follow from it."
)
_BOTTLENECK = (
    "`DIAGNOSIS: ` and one or two sentences: what holds the kernel above back, and by which "
    "figure you know."
)


def first(context: PromptContext, variant: int = 0) -> Question:
    """The first question of a line.

    `variant` numbers the lines that begin in parallel: 0 leaves the design to the model, each of
    the others asks for one of its own.
    """
    figures = context.figures
    way = strategy(
        context.task.problem,
        variant,
        None if figures is None else figures.roofline.multiprocessors,
    )
    begin = f"Other designs are tried beside yours. Yours is to be this one:\n\n> {way}"
    slots = {
        **_shared(context),
        "strategy": begin if way else "",
        "answer": answer_section((), change=ITS_DESIGN),
    }
    return question_of(
        lambda detail: render_prompt(
            "first",
            exemplar=exemplar_section(context.exemplar if detail.kernels else None),
            **slots,
        )
    )


def repair(context: PromptContext, line: Line) -> Question:
    """After a failure with nothing right yet: the last verdict, its kernel, and the next step.

    Raises ValueError for a line without attempts, or whose last one passed.
    """
    last = last_of(line)
    evaluation = last.attempt.evaluation
    kernel = next((row for row in reversed(line.attempts) if row.candidate is not None), None)
    steps = () if not_a_kernel(evaluation) else (_DIAGNOSIS,)
    brief = ran_out_of_room(evaluation)
    slots = {
        **_shared(context),
        "gpu": gpu_section(context) if kernel is None else "",
        "repetition": repetition(last),
        "remedy": next_step_text(last, line),
        "answer": answer_section(steps, brief=brief),
    }

    def render(detail: Detail) -> str:
        return render_prompt(
            "repair",
            verdict=describe_evaluation(
                evaluation, source_of(last), limit_chars=detail.findings_chars
            ),
            source=faulty_source(context, kernel, last, detail),
            works=what_works(context, line, kernel, detail),
            history=history_table(line.attempts[:-1], detail.attempts),
            **slots,
        )

    return question_of(render)


def optimise(context: PromptContext, best: Tried, line: Line) -> Question:
    """From the best kernel: its figures, what was tried since, and what the figures suggest.

    Raises ValueError where `best` has no kernel that passed.
    """
    if best.candidate is None or not best.passed:
        raise ValueError("only a kernel that passed can be optimised")
    source = best.candidate.source
    brief = any(ran_out_of_room(row.attempt.evaluation) for row in line.attempts[-1:])
    slots = {
        **_shared(context),
        "answer": answer_section((_BOTTLENECK,), brief=brief),
        "tuning": tuning_note(best),
        "is_better": what_counts(best),
        "advice": where_to_begin(best),
    }

    def render(detail: Detail) -> str:
        return render_prompt(
            "optimise",
            verdict=describe_evaluation(best.attempt.evaluation, limit_chars=detail.findings_chars),
            source=source_section(source, limit_chars=detail.source_chars),
            last_try=last_try(best, line, detail),
            history=history_table(line.attempts, detail.attempts),
            others=others_table(line.others if detail.attempts else ()),
            **slots,
        )

    return question_of(render)


def review(context: PromptContext) -> Question:
    """The first question of a review round. Raises ValueError for a task without a parent."""
    task = context.task
    parent = task.parent
    if parent is None:
        raise ValueError("a review needs the kernel that it is about")
    count = count_points(task.feedback)
    points = "`POINT 1: `" if count == 1 else f"`POINT 1: ` to `POINT {count}: `"
    steps = (
        f"{points}, one line for each point of the review, not as comments in the kernel: what "
        "you did about it, or why it cannot be met.",
    )
    slots = {**_shared(context), "answer": answer_section(steps if count else ())}
    return question_of(
        lambda detail: render_prompt(
            "review",
            source=source_section(parent.source, limit_chars=detail.source_chars),
            **slots,
        )
    )


def _shared(context: PromptContext) -> dict[str, str]:
    return {
        "task": task_section(context.task),
        "guidance": guidance_section(context.task.feedback),
        "gpu": gpu_section(context),
        "contract": contract_section(context),
    }
