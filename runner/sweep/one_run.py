"""One problem of a sweep: a run of `generate` in its own folder, begun or gone on with.

Owns what a worker does with an order. A run that has ended is never run again; why one could not be
run stands in the sweep's folder, for the report.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from runner.contract import Budget, Sha256, Wire, sha256_hex
from runner.errors import ContractError, RunnerError
from runner.executors.jobs import Job
from runner.files import write_atomically
from runner.one_line import one_line
from runner.problem import BASELINE_FILE, REFERENCE_FILE, SPEC_FILE, Problem
from runner.settings import read_settings
from runner.suites import open_suite
from runner.sweep.folder import SweepFolder
from runner.sweep.plan import Plan, PlannedProblem, model_for
from runner.sweep.run_record import read_run


class RunOrder(Wire):
    """What a worker must know. `plan_sha256`: how it knows that it sees the sweep's own folder."""

    suite: str
    out: str
    plan_sha256: Sha256
    key: str
    run: str
    model: str
    budget: Budget
    allow_no_sandbox: bool


def job_of(
    plan: Plan, problem: PlannedProblem, *, suite: Path, out: Path, allow_no_sandbox: bool
) -> Job:
    """The order for one problem."""
    folder = SweepFolder(out.resolve())
    order = RunOrder(
        suite=str(suite.resolve()),
        out=str(folder.path),
        plan_sha256=sha256_hex(folder.plan_file.read_bytes()),
        key=problem.key,
        run=problem.run,
        model=model_for(plan, problem),
        budget=plan.budget,
        allow_no_sandbox=allow_no_sandbox,
    )
    return Job(name=problem.run, work="sweep", order=order.model_dump(mode="json"))


def perform(order: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Take the run to its end. The journal has what came of it.

    Raises RunnerError, ContractError and OSError, after noting why.
    """
    asked = RunOrder.model_validate(order)
    folder = SweepFolder(Path(asked.out))
    _check_shared(asked, folder)
    with folder.run_held(asked.run):
        if read_run(folder, asked.run).ended:
            return {}
        failure = folder.failure(asked.run)
        failure.unlink(missing_ok=True)  # of an earlier sweep
        try:
            _generate(asked, folder)
        except (RunnerError, ContractError, OSError) as error:
            write_atomically(failure, one_line(str(error)) + "\n")
            raise
    return {}


def _check_shared(asked: RunOrder, folder: SweepFolder) -> None:
    try:
        digest = sha256_hex(folder.plan_file.read_bytes())
    except OSError:
        digest = ""
    if digest != asked.plan_sha256:
        raise RunnerError(f"{folder.path} is not the sweep's folder here: all nodes must share it")


def _generate(asked: RunOrder, folder: SweepFolder) -> None:
    # Imported late: it brings the loop along.
    from runner.generate import Order, generate
    from runner.task import Task

    settings = read_settings(os.environ)
    problem = _load(asked)
    _keep_problem(folder.problem(asked.run), problem)
    run = Order(
        task=Task(problem=problem, budget=asked.budget),
        model=asked.model,
        out=folder.run(asked.run),
        allow_no_sandbox=asked.allow_no_sandbox,
        # Whatever an earlier sweep, or a worker that died, has left there.
        resume=True,
        prices=settings.prices,
    )
    with folder.log(asked.run).open("a", encoding="utf-8") as log:
        asyncio.run(generate(run, settings, log))


def _load(asked: RunOrder) -> Problem:
    for problem in open_suite(Path(asked.suite)).problems(None):
        if problem.key == asked.key:
            return problem.load(allow_no_sandbox=asked.allow_no_sandbox)
    raise RunnerError(f"the suite {asked.suite} has no problem {asked.key}")


def _keep_problem(folder: Path, problem: Problem) -> None:
    """The problem as a folder: with the kernel, whoever doubts the verdict has all of it."""
    folder.mkdir(exist_ok=True)
    write_atomically(folder / SPEC_FILE, problem.toml_text)
    write_atomically(folder / REFERENCE_FILE, problem.reference_text)
    if problem.baseline_text is not None:
        write_atomically(folder / BASELINE_FILE, problem.baseline_text)
