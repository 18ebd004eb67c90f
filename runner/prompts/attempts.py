"""What a question says of the attempts before it: the kernel, the next step, what was not kept.

Owns these sections. The verdicts' own words are `runner.feedback`'s; nothing is decided here.
"""

from __future__ import annotations

from runner.contract import EvaluationStatus
from runner.feedback import describe_evaluation
from runner.prompts import excerpt, fenced
from runner.prompts.context import PromptContext
from runner.prompts.history import time_text
from runner.prompts.remedies import not_a_kernel, remedy_for
from runner.prompts.sections import exemplar_section, source_section
from runner.prompts.shorten import Detail
from runner.speed_advice import suggestions
from runner.speed_facts import facts_of
from runner.tried import Line, Tried


def last_of(line: Line) -> Tried:
    """The attempt that a repair is about. Raises ValueError where there is none."""
    if not line.attempts:
        raise ValueError("a line without attempts has nothing to repair")
    return line.attempts[-1]


def source_of(row: Tried) -> str | None:
    """The kernel of an attempt; None where its answer had none."""
    return None if row.candidate is None else row.candidate.source


def faulty_source(context: PromptContext, kernel: Tried | None, last: Tried, detail: Detail) -> str:
    """The kernel to correct: the last answer's, else the last one that there was."""
    parent = context.task.parent
    if kernel is not None and kernel.candidate is not None:
        title = ""
        if kernel is not last:
            status = kernel.attempt.evaluation.status
            title = f"The last answer with a kernel was attempt {kernel.attempt.index} ({status}):"
        return source_section(kernel.candidate.source, title, detail.source_chars)
    if parent is not None:
        return source_section(parent.source, "The kernel under review:", detail.source_chars)
    return ""


def what_works(context: PromptContext, line: Line, kernel: Tried | None, detail: Detail) -> str:
    """A kernel of another line that passes, or the exemplar where there is no kernel yet."""
    if not detail.kernels:
        return ""
    passing = next((row for row in line.others if row.passed and row.candidate is not None), None)
    if passing is not None and passing.candidate is not None:
        title = (
            f"A kernel of another line of work, attempt {passing.attempt.index}, passes every "
            "check. Compare the two where yours fails:"
        )
        return source_section(passing.candidate.source, title)
    return exemplar_section(context.exemplar) if kernel is None else ""


def next_step_text(last: Tried, line: Line) -> str:
    """What to do about the last failure. Raises ValueError where it is none."""
    evaluation = last.attempt.evaluation
    if evaluation.status is EvaluationStatus.PASSED:
        raise ValueError("a kernel that passed needs no repair")
    step = remedy_for(evaluation)
    if not_a_kernel(evaluation):
        return step
    parts = [
        "Find the cause before you change anything.",
        step,
        "Then look through the rest of the file for the same mistake, and keep what works.",
    ]
    if _same_failure_twice(line):
        parts.append(
            "The last correction did not change the verdict: the cause is elsewhere, or it is the "
            "approach itself. Doubt your last diagnosis, and choose a simpler design if you "
            "cannot name another cause."
        )
    return " ".join(parts)


def _same_failure_twice(line: Line) -> bool:
    rows = [row.attempt.evaluation for row in line.attempts[-2:]]
    return len(rows) == 2 and len({(row.status, row.stage, row.summary) for row in rows}) == 1


def repetition(row: Tried) -> str:
    """Which source the attempt repeats, or nothing where it is new."""
    if row.repeats is None:
        return ""
    if row.repeats == 0:
        return "You returned the kernel under review unchanged: the review asks for a change."
    return (
        f"You returned the source of attempt {row.repeats} again: change what it computes or how."
    )


def last_try(best: Tried, line: Line, detail: Detail) -> str:
    """What the attempt after the best one was, and why the best one stays."""
    last = line.attempts[-1] if line.attempts else best
    if last.attempt.index == best.attempt.index:
        return ""
    if last.repeats is not None:
        return f"## The last try\n\n{repetition(last)}"
    if last.passed:
        why = f"It passed too, but is no better{_by_time(last, best)}, so the kernel above stays."
    else:
        why = f"It was not kept. {remedy_for(last.attempt.evaluation)}"
    described = describe_evaluation(
        last.attempt.evaluation, source_of(last), limit_chars=detail.findings_chars
    )
    parts = [f"## The last try\n\n{why}", described]
    if last.candidate is not None and detail.last_source:
        parts.append(source_section(last.candidate.source))
    return "\n\n".join(parts)


def _by_time(last: Tried, best: Tried) -> str:
    """Both times, where a GPU took both."""
    mine, theirs = time_text(last), time_text(best)
    if mine is None or theirs is None:
        return ""
    return f" ({mine} against {theirs}, the geometric means over the workloads)"


def where_to_begin(best: Tried) -> str:
    """Where to begin: the suggestions stand with the figures that they follow from."""
    evaluation = best.attempt.evaluation
    if evaluation.performance is not None and not suggestions(facts_of(evaluation)):
        return (
            "No figure above stands out. Estimate what the kernel must move and compute at the "
            "listed sizes, and look for the part of its time that neither explains."
        )
    return (
        "Begin with the first suggestion under the kernel's figures that has not been tried, "
        "unless your own reading of the figures says otherwise."
    )


def tuning_note(best: Tried) -> str:
    """What the tuner said of the kernel, or nothing. Its words may quote the kernel."""
    if best.tuning is None:
        return ""
    return f"Of its launch parameters the tuner says:\n\n{fenced(excerpt(best.tuning, 1_000))}"


def what_counts(best: Tried) -> str:
    """When another kernel takes this one's place, for the end of a sentence."""
    if best.attempt.evaluation.performance is None:
        return "needs fewer resources, in the order named above"
    return "is measured to be faster by more than the noise"
