"""One merged kernel, judged again: its row of the night.

Owns what a suspicion costs: a second run in fresh processes before a failure is believed, a third
where it does not repeat, and three before a regression is. A machine or a spec at fault leaves the
kernel 'not run'. The rule of speed is `comparison`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from runner.contract import Candidate, Environment, Evaluation, EvaluationStatus
from runner.errors import ContractError, ProblemError, RunnerError
from runner.kernel_facts import kernel_digest
from runner.kernel_file import read_candidate
from runner.night_record import KernelNight, NightStatus
from runner.nightly import row_parts, speed
from runner.nightly.recorded import (
    KERNEL_FILE,
    RESULTS_FILE,
    TEST_FILE,
    Recorded,
    read_recorded,
    reference_digest,
)
from runner.nightly.worklist import Task
from runner.problem import Problem, load_problem

MAX_RUNS = 3
# A failure that comes and goes is a failure: seen on two of so many nights.
INTERMITTENT_NIGHTS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One verdict, and where it was reached."""

    evaluation: Evaluation
    environment: Environment

    @property
    def passed(self) -> bool:
        return self.evaluation.status is EvaluationStatus.PASSED


class Judge(Protocol):
    """Reaches verdicts, each with a new secret seed and in processes that ran nothing before."""

    def judge(self, problem: Problem, candidate: Candidate) -> Judged:
        """Raises RunnerError where the machine fails or the reference is at fault."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Which night and leg it is, and what earlier nights saw (all kernels, any order)."""

    night: date
    leg: str
    history: tuple[KernelNight, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Case:
    """What is known of the kernel while its runs are made."""

    task: Task
    occasion: Occasion
    judge: Judge
    kernel_sha256: str | None = None
    problem: Problem | None = None
    recorded: Recorded | None = None
    notes: list[str] = field(default_factory=list)
    runs: list[Judged] = field(default_factory=list)

    def run(self, candidate: Candidate) -> Judged | None:
        """A further verdict; None, with a note, where the machine could not reach one."""
        if self.problem is None:
            raise ValueError("a kernel without a problem cannot be judged")
        try:
            self.runs.append(self.judge.judge(self.problem, candidate))
        except RunnerError as error:
            self.notes.append(f"run {len(self.runs) + 1} reached no verdict: {error}")
            return None
        return self.runs[-1]

    def earlier(self) -> list[KernelNight]:
        """Nights of this very kernel in this leg, oldest first; of a repeated one the last run."""
        rows = {
            row.night: row
            for row in self.occasion.history
            if (row.kernel, row.leg) == (self.task.kernel, self.occasion.leg)
            and row.kernel_sha256 == self.kernel_sha256
            and row.night < self.occasion.night
        }
        return [rows[night] for night in sorted(rows)]


def reverify(task: Task, judge: Judge, occasion: Occasion) -> KernelNight:
    """The row of one kernel. Never raises for what is wrong with its folder or the machine."""
    case = _Case(task=task, occasion=occasion, judge=judge)
    candidate = _read(case)
    first = case.run(candidate) if candidate is not None else None
    if candidate is None or first is None:
        return _row(case, NightStatus.NOT_RUN)
    if first.passed:
        status, timings = _judge_speed(case, candidate, first)
        if all(run.passed for run in case.runs):
            return _row(case, status, timings=timings)
    return _row(case, _judge_failure(case, candidate))


def not_run(task: Task, occasion: Occasion, reason: str) -> KernelNight:
    """The row of a kernel whose turn did not come."""
    return KernelNight(
        night=occasion.night,
        leg=occasion.leg,
        kernel=task.kernel,
        status=NightStatus.NOT_RUN,
        notes=(row_parts.clip(reason),),
    )


def _read(case: _Case) -> Candidate | None:
    """Everything of the folder; None, with notes, where the kernel cannot be judged."""
    folder, notes = case.task.folder, case.notes
    if not (folder / TEST_FILE).is_file():
        notes.append(f"the folder has no {TEST_FILE}")
    try:
        read = read_candidate(folder / KERNEL_FILE, "cpu")
        case.recorded = read_recorded(folder / RESULTS_FILE)
        case.problem = load_problem(folder)
    except ContractError as error:
        if isinstance(error, ProblemError):
            notes.extend(str(fault) for fault in error.faults[:8])
            return None
        notes.append(str(error))
        return _read_problem(case, read)
    except (RunnerError, OSError) as error:
        notes.append(str(error))
        return None
    return _known(case, read)


def _read_problem(case: _Case, read: Candidate | Evaluation) -> Candidate | None:
    """The rest of a folder whose results cannot be read: correctness needs none of them."""
    try:
        case.problem = load_problem(case.task.folder)
    except ProblemError as error:
        case.notes.extend(str(fault) for fault in error.faults[:8])
        return None
    return _known(case, read)


def _known(case: _Case, read: Candidate | Evaluation) -> Candidate | None:
    if isinstance(read, Evaluation):
        case.kernel_sha256 = read.candidate_sha256
        case.notes.append(read.summary)
        return None
    # Of the candidate in the file: a merged kernel carries the facts of its run as well.
    case.kernel_sha256 = kernel_digest(read.source)
    return read


def _judge_failure(case: _Case, candidate: Candidate) -> NightStatus:
    """'failed' where two of up to three runs failed, or two of the last nights."""
    while len(case.runs) < MAX_RUNS:
        failures = sum(not run.passed for run in case.runs)
        if failures >= 2 or case.run(candidate) is None:
            break
    failures = sum(not run.passed for run in case.runs)
    if failures >= 2:
        return NightStatus.FAILED
    recent = case.earlier()[-(INTERMITTENT_NIGHTS - 1) :]
    nights = [row.night.isoformat() for row in recent if row.failure is not None]
    case.notes.append(f"failed in {failures} of {len(case.runs)} runs")
    if nights and len(case.runs) >= 2:
        case.notes.append(f"failed on {', '.join(nights)} as well")
        return NightStatus.FAILED
    return NightStatus.UNCLEAR


def _judge_speed(
    case: _Case, candidate: Candidate, first: Judged
) -> tuple[NightStatus, speed.Rows]:
    """The verdict on a correct kernel. Further runs are made while it is suspicious."""
    question = speed.Question(
        recorded=case.recorded,
        problem_sha256=case.problem.sha256 if case.problem else "",
        kernel_sha256=case.kernel_sha256 or candidate.sha256,
        earlier=tuple(case.earlier()),
        tonight=first.environment,
    )
    obstacle = question.obstacle(first.evaluation)
    if obstacle is not None:
        case.notes.append(obstacle.reason)
        return obstacle.status, speed.rows_of(first.evaluation, case.recorded, ())
    answer = speed.first_look(question, first.evaluation)
    if answer.suspected:
        names = ", ".join(change.workload for change in answer.suspected)
        case.notes.append(f"suspected of being slower on {names}; judged again")
    while answer.suspected:
        further = case.run(candidate)
        if further is None or not further.passed:
            break
        answer = speed.further_look(question, answer, [run.evaluation for run in case.runs])
    case.notes.extend(answer.notes)
    return answer.status, speed.rows_of(case.runs[-1].evaluation, case.recorded, answer.changes)


def _row(case: _Case, status: NightStatus, *, timings: speed.Rows = ()) -> KernelNight:
    shown = next((run for run in case.runs if not run.passed), None)
    shown = shown or (case.runs[-1] if case.runs else None)
    notes = [*_edited(case), *case.notes]
    return KernelNight(
        night=case.occasion.night,
        leg=case.occasion.leg,
        kernel=case.task.kernel,
        kernel_sha256=case.kernel_sha256,
        reference_sha256=reference_digest(case.task.folder),
        problem_sha256=case.problem.sha256 if case.problem else None,
        environment=shown.environment if shown else None,
        recorded_gpu=case.recorded.environment.gpu if case.recorded else None,
        status=status,
        evaluation_status=shown.evaluation.status if shown else None,
        failure=row_parts.failure_of(shown.evaluation) if shown and not shown.passed else None,
        timings=timings,
        runs=len(case.runs),
        notes=tuple(row_parts.clip(note) for note in notes[: row_parts.MAX_NOTES]),
    )


def _edited(case: _Case) -> Sequence[str]:
    """What somebody changed by hand since the results were recorded."""
    recorded, notes = case.recorded, []
    if recorded is None:
        return ()
    if case.problem is not None and case.problem.sha256 != recorded.problem_sha256:
        was, now = recorded.problem_sha256[:12], case.problem.sha256[:12]
        notes.append(
            f"problem.toml or reference.py was edited since {RESULTS_FILE} was written "
            f"(digest {was}, now {now})"
        )
    if case.kernel_sha256 not in (None, recorded.kernel_sha256):
        notes.append(f"{KERNEL_FILE} is not the kernel that {RESULTS_FILE} is about")
    return notes
