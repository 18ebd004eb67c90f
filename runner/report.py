"""The bundle of a run: the manifest and the files of the problem folder.

Owns how the run's facts become a manifest and results; `runner.folder` makes the files from those.
Measures nothing and judges nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from runner.bundle import MAX_FILE_BYTES, describe_files
from runner.contract import (
    Attempt,
    Cost,
    Environment,
    Evaluation,
    Outcome,
    ResultBundle,
)
from runner.folder import render_folder
from runner.loop_io import LoopResult
from runner.model.transcript import TranscriptEntry, transcript_line
from runner.prices import PriceTable, total_usd
from runner.problem import Problem
from runner.results import Results, results_of
from runner.task import Task

MAX_ATTEMPT_DETAIL_CHARS = 2_000
# The reader of a bundle refuses a file that shrinks 100-fold as a bomb, and a model that loops
# writes such text: keep well below.
MAX_TRANSCRIPT_RATIO = 40
MAX_TRANSCRIPT_BYTES = MAX_FILE_BYTES // 2
CUT_CONTENT_CHARS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The facts of a finished run. `ended_s`: attempt → second of the run when its verdict came."""

    task: Task
    result: LoopResult
    environment: Environment
    transcript: tuple[TranscriptEntry, ...]
    wall_s: float
    prices: PriceTable = field(default_factory=dict)
    ended_s: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a run hands back. `contents`: the bundle's files by path."""

    manifest: ResultBundle
    results: Results
    contents: dict[str, bytes]


def build_bundle(run: Run) -> Built:
    """Manifest, results and files. A run without a kernel has no kernel, tests or README."""
    manifest = _manifest(run)
    problem, best = run.task.problem, run.result.best
    results = results_of(manifest, run.result.parent, run.ended_s)
    source = best.candidate.source if best is not None and best.candidate is not None else None
    texts = {
        "problem.toml": problem.toml_text,
        "reference.py": problem.reference_text,
        "transcript.jsonl": render_transcript(run.transcript),
        **render_folder(problem, results, source),
    }
    if problem.baseline_text is not None:
        texts["baseline.py"] = problem.baseline_text
    folder = f"problems/{problem.name}"
    contents = {f"{folder}/{name}": text.encode() for name, text in texts.items()}
    described = manifest.model_copy(update={"files": describe_files(contents)})
    return Built(manifest=described, results=results, contents=contents)


def outcome_of(problem: Problem, best: Evaluation | None) -> Outcome:
    """IMPROVED only where the kernel is significantly faster than every baseline the problem
    names, on every benchmark workload: the whole 95 % interval of each ratio lies above 1.

    A workload or a baseline that was not timed leaves it at CORRECT.
    """
    if best is None:
        return Outcome.UNSOLVED
    performance = best.performance
    if performance is None or not problem.baselines:
        return Outcome.CORRECT
    timed = {str(timing.workload): timing.baselines for timing in performance.timings}
    wanted = set(problem.baselines)
    for workload in problem.benchmarks:
        baselines = timed.get(str(workload), ())
        missing = wanted - {row.name for row in baselines}
        if missing or not all(row.ratio_low > 1 for row in baselines):
            return Outcome.CORRECT
    return Outcome.IMPROVED


def render_transcript(entries: Iterable[TranscriptEntry]) -> str:
    """The answers of the run, shortened by rule where a bundle could not carry them.

    First the thinking is left out of every line, then the answers are cut.
    """
    rows = tuple(entries)
    text = "".join(map(transcript_line, rows))
    if _fits(text):
        return text
    note = "(left out of the bundle: too large)"
    rows = tuple(row.model_copy(update={"reasoning": note}) for row in rows)
    text = "".join(map(transcript_line, rows))
    if _fits(text):
        return text
    rows = tuple(
        row.model_copy(update={"content": row.content[:CUT_CONTENT_CHARS]}) for row in rows
    )
    text = "".join(map(transcript_line, rows))
    return text if _fits(text) else ""


def _fits(text: str) -> bool:
    data = text.encode()
    if len(data) > MAX_TRANSCRIPT_BYTES:
        return False
    return len(data) <= MAX_TRANSCRIPT_RATIO * len(zlib.compress(data))


def _manifest(run: Run) -> ResultBundle:
    task, result = run.task, run.result
    request, best = task.request, result.best
    return ResultBundle(
        request_id=request.request_id if request else None,
        repository=request.repository if request else None,
        issue_number=request.issue_number if request else None,
        generation=task.generation,
        problem=task.problem.name,
        problem_sha256=task.problem.sha256,
        parent_sha256=task.parent.sha256 if task.parent else None,
        model=", ".join(result.models),
        outcome=outcome_of(task.problem, best.attempt.evaluation if best else None),
        stopped_because=result.stopped_because,
        attempts=tuple(_compact(row.attempt) for row in result.tried),
        best_attempt=best.attempt.index if best else None,
        best=best.attempt.evaluation if best else None,
        environment=run.environment,
        cost=_cost(run),
        files=(),
    )


def _compact(attempt: Attempt) -> Attempt:
    """The attempt with its worst comparison only: a night's run must fit into a manifest.

    The best one stands in the manifest in full; every attempt does in the journal.
    """
    evaluation = attempt.evaluation
    correctness = evaluation.correctness
    if correctness is not None:
        correctness = correctness.model_copy(update={"cases": (correctness.worst,)})
    short = evaluation.model_copy(
        update={
            "correctness": correctness,
            "detail": evaluation.detail[:MAX_ATTEMPT_DETAIL_CHARS],
        }
    )
    return attempt.model_copy(update={"evaluation": short})


def _cost(run: Run) -> Cost:
    attempts = [row.attempt for row in run.result.tried]

    def total(counts: list[int | None]) -> int | None:
        # A sum over some of the answers would pass for the sum over all.
        known = [count for count in counts if count is not None]
        return sum(known) if counts and len(known) == len(counts) else None

    return Cost(
        wall_s=run.wall_s,
        model_s=sum(attempt.model_s for attempt in attempts),
        verifier_s=sum(attempt.verifier_s for attempt in attempts),
        prompt_tokens=total([attempt.tokens.prompt_tokens for attempt in attempts]),
        reasoning_tokens=total([attempt.tokens.reasoning_tokens for attempt in attempts]),
        completion_tokens=total([attempt.tokens.completion_tokens for attempt in attempts]),
        # By the transcript: an answer that came too late for a verdict was paid for as well.
        usd=total_usd(
            [
                (entry.model, entry.usage)
                for entry in run.transcript
                if entry.generation == run.task.generation
            ],
            run.prices,
        ),
    )
