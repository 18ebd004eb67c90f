"""The files of an earlier start of the same run, read back.

Owns the reading and the refusals. A kill may have torn the journal's last line, and only the last
(the transcript's is mended before); any other fault is told with its line number. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from runner.contract import Budget, Environment, sha256_hex
from runner.errors import RunnerError
from runner.journal import Event, RunEnded, RunResumed, RunStarted, parse_event
from runner.model.transcript import TranscriptEntry, read_transcript
from runner.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The whole lines of a run's two files. `journal_bytes`: where those of the journal end."""

    events: tuple[Event, ...]
    answers: dict[int, TranscriptEntry]
    journal_bytes: int

    @property
    def started(self) -> RunStarted:
        first = self.events[0]
        if not isinstance(first, RunStarted):
            raise RunnerError("the journal does not begin with the start of a run")
        return first

    @property
    def budget(self) -> Budget:
        """The budget of the latest start."""
        resumed = [event.budget for event in self.events if isinstance(event, RunResumed)]
        return resumed[-1] if resumed else self.started.budget

    @property
    def spent_s(self) -> float:
        """The time that the run has taken, as far as the journal tells."""
        return max(event.at_s for event in self.events)

    def has_ended(self, budget: Budget) -> bool:
        """Whether the run came to its end by itself, and `budget` allows no more than it had."""
        last = self.events[-1]
        return isinstance(last, RunEnded) and not last.interrupted and budget == self.budget


def read_record(journal: Path, transcript: Path, generation: int) -> Recorded | None:
    """Both files of a run; None where it was killed before its first line was whole.

    Raises RunnerError naming the line at fault.
    """
    lines, journal_bytes = _whole_lines(journal)
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(parse_event(line))
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            raise RunnerError(f"cannot resume: {journal}:{number}: {first}") from error
    answers: dict[int, TranscriptEntry] = {}
    for entry in read_transcript(transcript) if transcript.exists() else ():
        if entry.generation == generation:
            answers.setdefault(entry.attempt, entry)
    if not events:
        return None
    return Recorded(events=tuple(events), answers=answers, journal_bytes=journal_bytes)


def check_same_run(record: Recorded, task: Task, model_name: str) -> None:
    """Refuse to go on with another problem, model or review, or a smaller budget (RunnerError)."""
    was = record.started
    request = task.request.request_id if task.request else None
    for name, before, after in (
        ("problem", was.problem, task.problem.name),
        ("problem's text", was.problem_sha256, task.problem.sha256),
        ("request", was.request_id, request),
        ("generation", was.generation, task.generation),
        ("model", was.model, model_name),
        ("kernel under review", was.parent_sha256, task.parent.sha256 if task.parent else None),
        ("review", was.feedback_sha256, feedback_digest(task)),
    ):
        if before != after:
            raise RunnerError(f"cannot resume: the {name} was {before}, and now it is {after}")
    smaller = _smaller(record.budget, task.budget)
    if smaller is not None:
        raise RunnerError(f"cannot resume with a smaller budget: {smaller}")


def check_same_gpu(record: Recorded, environment: Environment) -> None:
    """Refuse to compare times of two kinds of GPU (RunnerError)."""
    before, after = record.started.environment.gpu, environment.gpu
    if before != after:
        raise RunnerError(f"cannot resume: the GPU was {before}, and now it is {after}")


def feedback_digest(task: Task) -> str | None:
    """What tells one review from another; None where there is none."""
    return None if task.feedback is None else sha256_hex(task.feedback.model_dump_json())


def _whole_lines(path: Path) -> tuple[list[str], int]:
    """The lines that end, and where the last of them does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    size = data.rfind(b"\n") + 1
    try:
        return data[:size].decode("utf-8").split("\n")[:-1], size
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise RunnerError(f"cannot resume: {path}:{number}: not UTF-8 text") from error


def _smaller(before: Budget, now: Budget) -> str | None:
    """The first limit that shrank, in words. No limit is the largest."""
    for name in ("wall_clock_s", "max_attempts", "max_tokens", "streams"):
        was, new = getattr(before, name), getattr(now, name)
        if new is not None and (was is None or new < was):
            return f"{name} was {'unlimited' if was is None else was}, and now it is {new}"
    return None
