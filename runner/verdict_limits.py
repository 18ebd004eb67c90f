"""What a verdict does not say: the checks that were not made, and why.

Owns the list. It follows from the evaluation alone, so that a check that is added shortens it.
"""

from __future__ import annotations

from runner.contract import Check, Environment, Evaluation, EvaluationStatus
from runner.problem import Problem
from runner.timing_text import why_not_measured

_ON_A_CPU = (
    "Nothing ran on a GPU: the kernel was interpreted, and compiled and assembled for the target.",
    "Races between programs and warps: the interpreter runs one program after the other.",
    "What the hardware does differently: the order of sums, tensor cores, atomics.",
)


# How the detail of a check begins that could not be made.
_NOT_MADE = ("not installed", "could not be run", "did not finish")
_SANITIZERS = ("memcheck", "racecheck")


def checks_made(evaluation: Evaluation) -> tuple[Check, ...]:
    """The checks that ran, without those that could not."""
    return tuple(row for row in evaluation.checks if not row.detail.startswith(_NOT_MADE))


def what_was_not_checked(
    problem: Problem, evaluation: Evaluation, environment: Environment | None, *, quick: bool
) -> tuple[str, ...]:
    """One sentence for each thing that a reader might take for granted and was not checked."""
    limits: list[str] = []
    if evaluation.status is not EvaluationStatus.PASSED:
        limits.append(f"Everything after the stage {evaluation.stage}: the first failure decides.")
    if quick:
        limits.append("The full sweep: this was a quick verdict on few workloads and inputs.")
    if evaluation.device == "cpu":
        limits += _ON_A_CPU
    elif not any(check.name in _SANITIZERS for check in checks_made(evaluation)):
        limits.append("compute-sanitizer did not look at the kernel's memory accesses.")
    made = checks_made(evaluation)
    limits += [f"{row.name}: {row.detail}." for row in evaluation.checks if row not in made]
    performance = evaluation.performance
    if performance is None:
        limits.append(f"Speed: {why_not_measured(evaluation)}.")
    else:
        limits += [f"The time of {name}: {why}." for name, why in performance.not_timed.items()]
        timed = {str(timing.workload) for timing in performance.timings}
        limits += [
            f"The time of {workload}: it was not taken."
            for workload in problem.benchmarks
            if str(workload) not in {*timed, *performance.not_timed}
        ]
    if environment is not None and environment.sandbox == "none":
        limits.append("Nothing contained the kernel: it ran without a sandbox, as was allowed.")
    if any(row.part == "buffer" for row in problem.inputs):
        limits.append(
            "What a call leaves in its buffers, a norm's statistics: what it returns is compared."
        )
    limits.append(
        "Sizes and inputs other than those compared: tests find faults, they do not prove that "
        "there are none."
    )
    return tuple(limits)
