"""The `sweep` command: the plan, the executor, the live table, and the files at the end.

Owns the order. Whatever ends a sweep, its files are made from what is done so far; called again, it
goes on with what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from runner.contract import Budget
from runner.executors.choice import open_executor
from runner.executors.interruption import terminated_is_interrupted
from runner.executors.jobs import Began, Executor, Job
from runner.files import write_atomically
from runner.model import open_model
from runner.settings import Settings
from runner.suites import open_suite
from runner.sweep.folder import SweepFolder
from runner.sweep.live import PlainLive, TableLive, open_live
from runner.sweep.made import REPORT, make_files
from runner.sweep.one_run import job_of
from runner.sweep.plan import Plan, PlannedProblem, choose, joined, model_for, plan_of
from runner.sweep.results import SweepResults, row_of
from runner.sweep.run_record import read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrder:
    """What the command line asks for. `numbers` None: all problems."""

    suite: Path
    model: str
    budget: Budget
    out: Path
    executor: str = "local"
    level: int | None = None
    numbers: Sequence[range] | None = None
    allow_no_sandbox: bool = False


def run_sweep(
    order: SweepOrder, settings: Settings, environment: Mapping[str, str], stream: TextIO
) -> bool:
    """Carry out the sweep. True where every problem's run came to its end.

    Raises RunnerError; KeyboardInterrupt, also for SIGTERM, after the files are made.
    """
    folder = SweepFolder(order.out)
    # Before the folder is touched: a mistyped suite or model leaves nothing behind.
    asked, keys = _planned(order)
    _try_model(asked, settings)
    with folder.held(), terminated_is_interrupted():
        before = folder.read_plan()
        plan = joined(before, asked, keys) if before else asked
        folder.write_plan(plan)
        executor = open_executor(order.executor, environment, folder.log("workers"))
        try:
            with closing(executor), closing(open_live(plan, folder, stream)) as live:
                _Sweep(order, folder, plan, live).run(executor, asked.problems)
        finally:
            results = make_files(folder, plan)
    print(_closing_line(results, folder), file=stream)
    return all(row.state in ("solved", "unsolved") for row in results.problems)


def _planned(order: SweepOrder) -> tuple[Plan, tuple[str, ...]]:
    """The plan as asked for, and the keys of the whole suite in order."""
    suite = open_suite(order.suite)
    chosen = choose(suite.problems(order.level), order.numbers)
    plan = plan_of(suite, chosen, order.model, order.budget)
    return plan, tuple(problem.key for problem in suite.problems(None))


def _try_model(plan: Plan, settings: Settings) -> None:
    """A missing key or file is told once, and not by every problem."""
    kind = plan.model.partition(":")[0]
    # The other two make a file where they are opened.
    if kind not in ("record", "mailbox"):
        model = open_model(model_for(plan, plan.problems[0]), settings.endpoint, generation=0)
        asyncio.run(model.close())


class _Sweep:
    """One call of the command, from the first job to the last reply."""

    def __init__(
        self, order: SweepOrder, folder: SweepFolder, plan: Plan, live: PlainLive | TableLive
    ) -> None:
        self._order = order
        self._folder = folder
        self._plan = plan
        self._live = live

    def run(self, executor: Executor, asked: Sequence[PlannedProblem]) -> None:
        """Run those of `asked` that have not ended; the folder may hold further ones."""
        problems = {problem.run: problem for problem in asked}
        ended = self._ended()
        jobs = [self._job(problem) for problem in asked if problem.run not in ended]
        for news in executor.run(jobs):
            if isinstance(news, Began):
                self._live.began(problems[news.name], news.place, news.tries)
                continue
            problem = problems[news.reply.name]
            self._note_failure(problem, news.reply.failure)
            self._live.ended(row_of(problem, read_run(self._folder, problem.run)))

    def _ended(self) -> set[str]:
        """The runs that earlier sweeps into the folder took to their end."""
        ended = set()
        for problem in self._plan.problems:
            record = read_run(self._folder, problem.run)
            if record.ended:
                self._live.known(row_of(problem, record))
                ended.add(problem.run)
        return ended

    def _job(self, problem: PlannedProblem) -> Job:
        order = self._order
        return job_of(
            self._plan,
            problem,
            suite=order.suite,
            out=order.out,
            allow_no_sandbox=order.allow_no_sandbox,
        )

    def _note_failure(self, problem: PlannedProblem, failure: str | None) -> None:
        """What the worker could not note itself, because it died or saw another folder."""
        place = self._folder.failure(problem.run)
        if failure is not None and not place.exists():
            write_atomically(place, failure + "\n")


def _closing_line(results: SweepResults, folder: SweepFolder) -> str:
    counts = ", ".join(f"{g.name}: {g.solved} of {g.problems} solved" for g in results.groups)
    return f"{counts}; written: {folder.path / REPORT}"
