"""What a sweep is about: the suite's problems, the model and the budget of each run.

Owns `plan.json`, and that a folder holds one sweep: it may get further problems of the same suite,
never another model or budget. Reads no problem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from runner.contract import Budget, Wire, sha256_hex
from runner.errors import RunnerError
from runner.suites import Suite, SuiteProblem

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]{1,60}(/[A-Za-z0-9_]{1,60})?")
_RUN_PLACE = "{problem}"
# Of these every run needs its own, or two runs would read or write one file.
_FILE_MODELS = ("replay", "record", "mailbox")


class PlannedProblem(Wire):
    """One problem of the sweep. `run` names its run in every folder of the sweep."""

    key: str
    title: str
    level: int | None
    family: str
    run: str


class Plan(Wire):
    """One sweep."""

    schema_version: Literal[1] = 1
    suite: str
    kind: str
    model: str
    budget: Budget
    problems: tuple[PlannedProblem, ...]

    @property
    def levels(self) -> tuple[int | None, ...]:
        """The levels that occur, in order; None for problems that have none."""
        found = {problem.level for problem in self.problems}
        return tuple(sorted(found, key=lambda level: (level is None, level or 0)))


def plan_of(suite: Suite, problems: Sequence[SuiteProblem], model: str, budget: Budget) -> Plan:
    """The plan. Raises RunnerError for a model that all runs would share a file of."""
    kind = model.partition(":")[0]
    if kind in _FILE_MODELS and _RUN_PLACE not in model:
        raise RunnerError(
            f"the model {model!r} is one file for every problem: put {_RUN_PLACE} into its path, "
            "which stands for each problem's own name"
        )
    rows = tuple(
        PlannedProblem(
            key=problem.key,
            title=problem.title,
            level=problem.level,
            family=problem.family,
            run=run_name(problem.key),
        )
        for problem in problems
    )
    return Plan(suite=suite.name, kind=suite.kind, model=model, budget=budget, problems=rows)


def model_for(plan: Plan, problem: PlannedProblem) -> str:
    """The model's specification for one run."""
    return plan.model.replace(_RUN_PLACE, problem.run)


def run_name(key: str) -> str:
    """A key as a name of a folder; no two keys have the same."""
    if _PLAIN_KEY.fullmatch(key):
        return key.replace("/", "-")
    return f"problem-{sha256_hex(key)[:16]}"


def choose(
    problems: Sequence[SuiteProblem], numbers: Sequence[range] | None
) -> tuple[SuiteProblem, ...]:
    """Those with the numbers asked for. Raises RunnerError where a part of them names none."""
    if numbers is None:
        chosen = tuple(problems)
    else:
        numbered = [(_number(p, place), p) for place, p in enumerate(problems, start=1)]
        known = {number for number, _ in numbered}
        for part in numbers:
            if known.isdisjoint(part):
                raise RunnerError(f"the suite has no problem {_range_text(part)} there")
        chosen = tuple(p for number, p in numbered if any(number in part for part in numbers))
    if not chosen:
        raise RunnerError("the suite has no such problems")
    return chosen


def joined(before: Plan, now: Plan, order: Sequence[str]) -> Plan:
    """Both plans' problems, in the suite's `order` of keys. Raises RunnerError for another sweep.

    `before` is what the folder holds already.
    """
    for name, was, asked in (
        ("suite", before.suite, now.suite),
        ("kind of suite", before.kind, now.kind),
        ("model", before.model, now.model),
        ("budget", _budget_text(before.budget), _budget_text(now.budget)),
    ):
        if was != asked:
            raise RunnerError(
                f"the folder holds another sweep: its {name} is {was}, not {asked}; name a new "
                "folder with --out"
            )
    rows = {problem.key: problem for problem in (*before.problems, *now.problems)}
    gone = sorted(rows.keys() - set(order))
    if gone:
        raise RunnerError(f"the folder holds another sweep: the suite has no {', '.join(gone)}")
    problems = tuple(rows[key] for key in order if key in rows)
    return now.model_copy(update={"problems": problems})


def parse_plan(text: str, where: str) -> Plan:
    """A plan as JSON. Raises RunnerError."""
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        raise RunnerError(f"{where} is not the plan of a sweep") from error


def _number(problem: SuiteProblem, place: int) -> int:
    """The number that a key ends with, as in 1/19; else its place in the suite."""
    last = problem.key.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else place


def _range_text(part: range) -> str:
    return f"{part.start}" if len(part) == 1 else f"{part.start}-{part.stop - 1}"


def _budget_text(budget: Budget) -> str:
    limits = budget.model_dump(exclude_none=True)
    return ", ".join(f"{name} {value:g}" for name, value in limits.items())
