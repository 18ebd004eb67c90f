"""`sweep.json`: what a sweep found, by problem and by level. Torch-free.

Owns its schema and what may be said of many problems together. Every share is of all problems of a
group, also of those that could not be run: what was left out would look solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from runner.contract import (
    Budget,
    Evaluation,
    FiniteFloat,
    Outcome,
    Performance,
    Sha256,
    Wire,
)
from runner.headline import mean_ratios
from runner.sweep.plan import Plan, PlannedProblem
from runner.sweep.run_record import RunRecord

SWEEP_VERSION = 1
# Of fast_p: solved, and more than p times as fast as the baseline.
THRESHOLDS = (0.0, 0.5, 0.8, 1.0, 1.5, 2.0)
BASELINES = ("eager", "compile")
State = Literal["not run", "failed", "unfinished", "unsolved", "solved"]


class SpeedUp(Wire):
    """A kernel against one baseline that was timed on every workload; above 1 it is faster.

    `ratio`: the geometric mean over the workloads. `low`, `high`: the ends of the 95 % intervals of
    the workloads, the lowest and the highest.
    """

    baseline: str
    ratio: Annotated[FiniteFloat, Field(gt=0)]
    low: Annotated[FiniteFloat, Field(gt=0)]
    high: Annotated[FiniteFloat, Field(gt=0)]


class ProblemRow(Wire):
    """One problem. `words`: why it ended, or why it could not be run.

    `solved_at_s`: when the run first had a kernel that stands, in seconds of the run, with all that
    these hold: the model's time and the verifier's. `own_share`: the share of the GPU's kernel time
    in the candidate's own kernels; None where nothing was timed.
    """

    key: str
    title: str
    level: int | None
    family: str
    run: str
    state: State
    words: str
    problem_sha256: Sha256 | None = None
    outcome: Outcome | None = None
    attempts: Annotated[int, Field(ge=0)] = 0
    spent_s: FiniteFloat | None = None
    solved_at_s: FiniteFloat | None = None
    kernel_sha256: Sha256 | None = None
    speed_ups: tuple[SpeedUp, ...] = ()
    own_share: FiniteFloat | None = None
    gpu: str | None = None

    @model_validator(mode="after")
    def _figures_follow_state(self) -> Self:
        solved = self.state == "solved"
        if solved != (self.solved_at_s is not None) or solved != (self.kernel_sha256 is not None):
            raise ValueError("a time and a kernel are there exactly when the problem is solved")
        if self.speed_ups and not solved:
            raise ValueError("a speed-up without a solved problem")
        return self

    def speed_up(self, baseline: str) -> SpeedUp | None:
        return next((row for row in self.speed_ups if row.baseline == baseline), None)


class FastShare(Wire):
    """fast_p of one baseline: the share of all problems solved with a speed-up above `p`.

    `share` None: the baseline was timed for no solved problem, so it is not measured. A solved
    problem for which it was not timed counts as no faster, except at p = 0, where being right is
    all.
    """

    baseline: str
    p: FiniteFloat
    count: Annotated[int, Field(ge=0)] | None
    share: Annotated[FiniteFloat, Field(ge=0, le=1)] | None


class CurvePoint(Wire):
    """From `at_s` on, so many problems were solved."""

    at_s: FiniteFloat
    solved: Annotated[int, Field(ge=1)]


class Group(Wire):
    """The problems of one level, or all of them. `timed`: solved problems by baseline timed."""

    name: str
    problems: Annotated[int, Field(ge=1)]
    ended: int
    solved: int
    timed: dict[str, int]
    curve: tuple[CurvePoint, ...]
    fast: tuple[FastShare, ...]


class SweepResults(Wire):
    """The whole of `sweep.json`. `groups`: one a level, then all where there are several levels."""

    schema_version: Literal[1] = 1
    suite: str
    model: str
    budget: Budget
    gpus: tuple[str, ...]
    versions: tuple[str, ...]
    groups: tuple[Group, ...]
    problems: tuple[ProblemRow, ...]


def results_of(plan: Plan, runs: Sequence[RunRecord]) -> SweepResults:
    """What the runs, in the order of the plan's problems, say."""
    rows = tuple(map(row_of, plan.problems, runs))
    machines = [run.environment for run in runs if run.environment]
    groups = []
    for level in plan.levels:
        name = "all problems" if level is None else f"level {level}"
        groups.append(_group(name, [row for row in rows if row.level == level]))
    if len(groups) > 1:
        groups.append(_group("all levels", rows))
    return SweepResults(
        suite=plan.suite,
        model=_model_text(plan, runs),
        budget=plan.budget,
        gpus=tuple(sorted({machine.gpu for machine in machines if machine.gpu})),
        versions=tuple(sorted({f"torch {m.torch}, triton {m.triton}" for m in machines})),
        groups=tuple(groups),
        problems=rows,
    )


def row_of(problem: PlannedProblem, run: RunRecord) -> ProblemRow:
    """One problem's row."""
    named = problem.model_dump()
    evaluation = run.evaluation
    return ProblemRow(
        **named,
        state=_state(run),
        words=_words(run),
        problem_sha256=run.record.started.problem_sha256 if run.record else None,
        outcome=run.end.outcome if run.end else None,
        attempts=len(run.attempts),
        spent_s=run.record.spent_s if run.record else None,
        solved_at_s=run.solved_at_s,
        gpu=run.environment.gpu if run.environment else None,
        **(_kernel_figures(evaluation) if evaluation else {}),
    )


def _kernel_figures(evaluation: Evaluation) -> dict[str, Any]:
    performance = evaluation.performance
    return {
        "kernel_sha256": evaluation.candidate_sha256,
        "speed_ups": _speed_ups(performance) if performance else (),
        "own_share": performance.own_share if performance else None,
    }


def _speed_ups(performance: Performance) -> tuple[SpeedUp, ...]:
    rows = []
    for name, ratio in sorted(mean_ratios(performance).items()):
        timed = [b for t in performance.timings for b in t.baselines if b.name == name]
        low, high = min(b.ratio_low for b in timed), max(b.ratio_high for b in timed)
        rows.append(SpeedUp(baseline=name, ratio=ratio, low=low, high=high))
    return tuple(rows)


def _state(run: RunRecord) -> State:
    if run.ended:
        return "unsolved" if run.evaluation is None else "solved"
    if run.failure is not None:
        return "failed"
    return "not run" if run.record is None else "unfinished"


def _words(run: RunRecord) -> str:
    if run.end is not None:
        return run.end.stopped_because
    if run.failure is not None:
        return run.failure
    return "the sweep ended before its turn" if run.record is None else "the run was interrupted"


def _model_text(plan: Plan, runs: Sequence[RunRecord]) -> str:
    """Who answered, as the runs themselves call it; before there is any, what was asked for."""
    names = dict.fromkeys(run.record.started.model for run in runs if run.record)
    return ", ".join(names) or plan.model


def _group(name: str, rows: Sequence[ProblemRow]) -> Group:
    solved = [row for row in rows if row.state == "solved"]
    timed = {base: sum(row.speed_up(base) is not None for row in solved) for base in BASELINES}
    return Group(
        name=name,
        problems=len(rows),
        ended=sum(row.state in ("solved", "unsolved") for row in rows),
        solved=len(solved),
        timed=timed,
        curve=_curve(solved),
        fast=tuple(_fast(base, p, rows, timed[base]) for base in BASELINES for p in THRESHOLDS),
    )


def _curve(solved: Sequence[ProblemRow]) -> tuple[CurvePoint, ...]:
    """A step for each moment at which a problem was solved; equal moments are one step."""
    times = sorted(row.solved_at_s for row in solved if row.solved_at_s is not None)
    steps = {at_s: count for count, at_s in enumerate(times, start=1)}
    return tuple(CurvePoint(at_s=at_s, solved=count) for at_s, count in steps.items())


def _fast(baseline: str, p: float, rows: Sequence[ProblemRow], timed: int) -> FastShare:
    if p == 0:
        count = sum(row.state == "solved" for row in rows)
    elif not timed:
        return FastShare(baseline=baseline, p=p, count=None, share=None)
    else:
        found = [row.speed_up(baseline) for row in rows]
        count = sum(speed is not None and speed.ratio > p for speed in found)
    return FastShare(baseline=baseline, p=p, count=count, share=count / len(rows))
