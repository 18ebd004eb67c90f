"""What a sweep saw, in words: crashes, memory written out of bounds, what was checked.

Owns sentences and rows for people and for the model. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runner.contract import Check, EvaluationStatus, OutputError
from runner.problem import Problem
from runner.verifier.comparison import Comparison
from runner.verifier.finding import Finding, error_text, first_line, trim
from runner.verifier.inputs import Case
from runner.verifier.integrity import Overrun
from runner.verifier.layouts import CONTIGUOUS
from runner.verifier.process import WorkerFailed


def output_error(case: Case, name: str, comparison: Comparison) -> OutputError:
    """The contract's row for one comparison."""
    return OutputError(
        workload=case.workload,
        distribution=case.distribution,
        output=name,
        elements=comparison.elements,
        wrong_elements=comparison.wrong_elements,
        max_error=comparison.max_error,
        max_budget=comparison.max_budget,
        rms_error=comparison.rms_error,
        rms_budget=comparison.rms_budget,
        worst_index=comparison.worst_index,
        expected=comparison.expected,
        found=comparison.found,
    )


def wrote_outside(
    problem: Problem, case: Case, stage: str, overruns: Sequence[Overrun], around: str | None
) -> Finding | None:
    """The finding for written bands, if any. `around`: which input, as `written_outside` says."""
    places = [_around_allocation(problem, case, overrun) for overrun in overruns]
    if around is not None:
        places.insert(0, around)
    if not places:
        return None
    return Finding(
        status=EvaluationStatus.RUNTIME_ERROR,
        stage=stage,
        summary=f"wrote outside {places[0]}",
        detail="\n".join(
            [
                *(f"Wrote outside {place}." for place in places),
                f"On {case}. Every store needs a mask that keeps its offsets inside the tensor: "
                "the last block of each axis is where they run over.",
            ]
        ),
    )


def _around_allocation(problem: Problem, case: Case, overrun: Overrun) -> str:
    sides = []
    if overrun.after is not None:
        sides.append(f"{overrun.after} bytes after its end")
    if overrun.before is not None:
        sides.append(f"{overrun.before} bytes before its beginning")
    for spec in problem.outputs:
        if spec.concrete_shape(case.workload) == overrun.shape and spec.dtype == overrun.dtype:
            return f"its output {spec.name} ({', '.join(sides)})"
    shape = list(overrun.shape)
    return f"a tensor of shape {shape}, {overrun.dtype}, that it allocated ({', '.join(sides)})"


def checks_passed(cases: Sequence[Case], calls: int) -> tuple[Check, ...]:
    """What a candidate that passed all `cases` in `calls` calls has stood."""
    checks = [
        ("secret inputs", f"{len(cases)} cases, {_list({c.distribution for c in cases})}"),
        ("guard bands", f"untouched around every input and allocation, {calls} calls"),
        ("inputs unchanged", f"bit by bit after {calls} calls"),
        ("run to run", "the same inputs at other addresses gave the same, within the budget"),
    ]
    layouts = {case.layout for case in cases} - {CONTIGUOUS}
    if layouts:
        checks.append(("layouts", _list(layouts)))
    drawn = {str(case.workload) for case in cases if case.held_out}
    if drawn:
        checks.append(("held-out workloads", "; ".join(sorted(drawn))))
    return tuple(Check(name=name, detail=detail) for name, detail in checks)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def on_case(case: Case) -> str:
    """Where something happened, for the end of a sentence."""
    return f"on a held-out workload, {case}" if case.held_out else f"on {case}"


def nobody_has(finding: Finding, reply: dict[str, Any]) -> Finding:
    """`finding` of a module that has no parameter for values it was to get, and what to do."""
    rows = reply.get("unmatched")
    names = [first_line(str(name), 100) for name in rows[:8]] if isinstance(rows, list) else []
    if not names:
        return finding
    told = (
        f"It has no parameter for {', '.join(names)}, which every new layer begins with the same: "
        "keep one of that shape, so that trained values have a place."
    )
    return replace(finding, detail=f"{told}\n{finding.detail}")


def raised(reply: dict[str, Any], stage: str, when: str) -> Finding:
    """The finding for an exception of the candidate, as its worker tells it."""
    summary, detail = error_text(reply)
    if reply.get("stage") == "compile":  # on a GPU a kernel compiles when it is first called
        compiling = EvaluationStatus.COMPILE_ERROR
        told = f"{detail}\nWhile compiling {when}."
        return Finding(status=compiling, stage="compile", summary=summary, detail=told)
    return Finding(
        status=EvaluationStatus.RUNTIME_ERROR,
        stage=stage,
        summary=summary,
        detail=f"{detail}\nRaised {when}.",
    )


def worker_failed(error: WorkerFailed, stage: str, when: str) -> Finding:
    """The finding for a worker that did not answer."""
    tail = trim("\n".join(error.stderr.splitlines()[-12:]), 2000)
    if error.kind == "timeout":
        status, summary = EvaluationStatus.TIMEOUT, f"the candidate did not finish in time {when}"
    else:
        status = EvaluationStatus.RUNTIME_ERROR
        summary = f"the candidate's process failed {when}: {error.reason}"
    return Finding(status=status, stage=stage, summary=first_line(summary), detail=tail)
