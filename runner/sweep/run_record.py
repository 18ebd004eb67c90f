"""What one run of a sweep left: its journal, its transcript, and why it could not go on.

Owns what counts as ended, as solved, and when. A kernel is solved where the final verdict, in fresh
processes, says PASSED; that of the loop alone is not enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.contract import Candidate, Environment, Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.extract import NoKernel, extract_candidate
from runner.journal import (
    AttemptFinished,
    Event,
    FinalVerdict,
    RunEnded,
    RunResumed,
    RunStarted,
    TuneFinished,
)
from runner.problem import load_problem
from runner.record import Recorded, read_record
from runner.sweep.folder import SweepFolder
from runner.tune_phase import candidate_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as its files tell. `record` None: it never began; `failure`: why it stopped short."""

    record: Recorded | None
    failure: str | None

    @property
    def events(self) -> Sequence[Event]:
        return self.record.events if self.record else ()

    @property
    def end(self) -> RunEnded | None:
        """The run's own end; None where it was interrupted, or is not there yet."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, RunEnded) and not last.interrupted else None

    @property
    def ended(self) -> bool:
        return self.end is not None

    @property
    def attempts(self) -> tuple[AttemptFinished, ...]:
        return tuple(event for event in self.events if isinstance(event, AttemptFinished))

    @property
    def environment(self) -> Environment | None:
        """Where the run was last."""
        starts = [e for e in self.events if isinstance(e, RunStarted | RunResumed)]
        return starts[-1].environment if starts else None

    @property
    def evaluation(self) -> Evaluation | None:
        """The final verdict on the kernel that was delivered; None where nothing is solved."""
        if self.end is None:
            return None
        final = self._finals().get(self.end.best_attempt)
        return final if final is not None and final.status is EvaluationStatus.PASSED else None

    @property
    def solved_at_s(self) -> float | None:
        """When the run first had a kernel that stands: seconds of the run, all its starts together.

        A kernel that a final verdict refuted does not count, though the loop had passed it.
        """
        if self.evaluation is None:
            return None
        finals = self._finals()
        return next(
            event.at_s
            for event in self.attempts
            if event.attempt.evaluation.status is EvaluationStatus.PASSED
            and _stands(finals.get(event.attempt.index))
        )

    def _finals(self) -> dict[int | None, Evaluation]:
        return {e.attempt: e.evaluation for e in self.events if isinstance(e, FinalVerdict)}


def _stands(final: Evaluation | None) -> bool:
    return final is None or final.status is EvaluationStatus.PASSED


def read_run(folder: SweepFolder, run: str) -> RunRecord:
    """The files of one run. Raises RunnerError naming the line at fault."""
    record = None
    if folder.journal(run).exists():
        record = read_record(folder.journal(run), folder.transcript(run), 0)
    try:
        failure = folder.failure(run).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        failure = None
    except OSError as error:
        raise RunnerError(f"cannot read {folder.failure(run)}: {error.strerror}") from error
    return RunRecord(record=record, failure=failure)


def solved_kernel(folder: SweepFolder, run: str, known: RunRecord) -> Candidate | None:
    """The kernel that the final verdict is about, from the answers; None where nothing is solved.

    Raises RunnerError where the files contradict each other, and ProblemError.
    """
    if known.evaluation is None or known.end is None or known.record is None:
        return None
    attempt = known.end.best_attempt
    found = _tuned(known, attempt)
    entry = known.record.answers.get(attempt or 0)
    if found is None and attempt is not None and entry is not None:
        name = load_problem(folder.problem(run)).entry
        extracted = extract_candidate(entry.content, entry=name, attempt=attempt, cut=entry.cut)
        found = None if isinstance(extracted, NoKernel) else extracted
    if found is None or found.sha256 != known.evaluation.candidate_sha256:
        raise RunnerError(f"{folder.run(run)}: the final verdict is not about the kernel there")
    return found


def _tuned(known: RunRecord, attempt: int | None) -> Candidate | None:
    for event in known.events:
        if isinstance(event, TuneFinished) and event.attempt == attempt and event.source:
            return candidate_of(event)
    return None
