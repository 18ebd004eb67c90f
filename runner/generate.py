"""One run of `generate`: verifier, model, loop and report put together in one folder.

Owns the clock and the order from start to delivery, also of a run that goes on after a kill.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from runner.contract import Environment, Evaluation, ResultBundle
from runner.errors import RunnerError
from runner.exemplars import exemplar_for
from runner.final import settle_or_keep
from runner.journal import Event, Journal, RunEnded, RunResumed, RunStarted, ended_s
from runner.judging import ThreadJudges
from runner.keep import Rank
from runner.loop import Loop
from runner.loop_io import LoopResult, Tools
from runner.model import Model, open_model
from runner.model.record import RecordingModel
from runner.model.transcript import read_transcript
from runner.out_folder import (
    BEST,
    JOURNAL,
    TRANSCRIPT,
    BestFolder,
    claim_folder,
    deliver_bundle,
    delivered_before,
)
from runner.prices import PriceTable
from runner.progress import Progress, open_progress
from runner.progress_post import ProgressPost, posting
from runner.prompts.context import GpuFigures
from runner.prompts.questions import PromptContext
from runner.readme import render_summary
from runner.record import (
    Recorded,
    check_same_gpu,
    check_same_run,
    feedback_digest,
    read_record,
)
from runner.report import Run, build_bundle
from runner.resume import Restored, restore
from runner.run_clock import RunClock
from runner.settings import Settings
from runner.stops import Stops, stop_signals
from runner.streams import with_streams
from runner.task import Task
from runner.tried import Tried
from runner.verifying import VerifierJudge, prepare_verifier, reserve_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for. `resume`: go on with the run that is in `out`."""

    task: Task
    model: str
    out: Path
    allow_no_sandbox: bool
    resume: bool = False
    prices: PriceTable = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """One start of a run."""

    order: Order
    model: Model
    journal: Journal
    progress: Progress
    post: ProgressPost | None
    record: Recorded | None
    clock: RunClock

    def emit(self, event: Event) -> None:
        self.journal(event)
        self.progress(event)
        if self.post is not None:
            self.post(event)

    def recall(self, events: Iterable[Event]) -> None:
        """What an earlier start of the run did, for those who show it."""
        self.progress.recall(events)
        if self.post is not None:
            self.post.recall(events)

    def at_s(self) -> float:
        return self.clock.at_s()


async def generate(order: Order, settings: Settings, stream: TextIO) -> ResultBundle:
    """Run the loop and write journal, transcript, best, bundle and summary under `order.out`.

    Progress goes to `stream`. Raises RunnerError where nothing could be delivered.
    """
    now_s = time.monotonic()
    task = with_streams(order.task, order.model)
    order = replace(order, task=task)
    # The cheap mistakes first: a wrong folder or model should not wait for torch.
    claim_folder(order.out, resume=order.resume)
    inner = open_model(order.model, settings.endpoint, generation=task.generation)
    try:
        with closing(Journal(order.out / JOURNAL)) as journal:
            model = RecordingModel(inner, order.out / TRANSCRIPT, task.generation)
            record = _read_back(order, model, journal) if order.resume else None
            if record is not None and record.has_ended(task.budget):
                before = delivered_before(order.out)
                if before is not None:
                    print(f"nothing to resume: {before.stopped_because}", file=stream)
                    return before
            # What earlier starts of the run have spent counts.
            began_s = now_s - (record.spent_s if record else 0.0)
            clock = RunClock(began_s=began_s, budget_s=task.budget.wall_clock_s)
            request_id = task.request.request_id if task.request else None
            with (
                closing(open_progress(stream, clock.left_s)) as progress,
                posting(settings.progress, request_id, clock.at_s, clock.left_s, stream) as post,
                stop_signals() as stops,
            ):
                start = _Start(
                    order=order,
                    model=model,
                    journal=journal,
                    progress=progress,
                    post=post,
                    record=record,
                    clock=clock,
                )
                return await _run(start, stops)
    finally:
        await inner.close()


def _read_back(order: Order, model: Model, journal: Journal) -> Recorded | None:
    """What an earlier start of this run left, checked to be this run's; None: it left nothing."""
    out, task = order.out, order.task
    record = read_record(out / JOURNAL, out / TRANSCRIPT, task.generation)
    if record is not None:
        check_same_run(record, task, model.name)
    journal.cut(record.journal_bytes if record else 0)
    return record


async def _run(start: _Start, stops: Stops) -> ResultBundle:
    order, task = start.order, start.order.task
    verifier, environment = await asyncio.to_thread(
        prepare_verifier, task, allow_no_sandbox=order.allow_no_sandbox
    )
    judge = VerifierJudge(verifier)
    judges = ThreadJudges(judge, time.monotonic, width=judge.width, tune=judge.tune)
    try:
        restored = _begin(start, environment, judge.rank)
        save_best = BestFolder(order.out / BEST)
        if restored is not None and restored.history.best is not None:
            # Killed between the two files of the best, for example.
            save_best(restored.history.best)
        tools = Tools(
            model=start.model,
            judges=judges,
            emit=start.emit,
            save_best=save_best,
            clock=time.monotonic,
            started_s=start.clock.began_s,
            context=_context(task, environment, judge.figures),
            reserve_s=reserve_s(verifier, task.budget.wall_clock_s),
            watch=start.progress.watch,
        )
        loop = Loop(task, tools, restored)
        stops.watch(loop)
        result = await loop.run()
        if stops.reason is None:
            result = await _settle(start, result, judge, restored.finals if restored else {})
        elif result.best is not None:
            reason = f"{result.stopped_because}; no final verdict"
            result = replace(result, stopped_because=reason)
        manifest = _deliver(order, result, environment, start.at_s())
        start.emit(_run_ended(manifest, start.at_s(), interrupted=stops.reason is not None))
        return manifest
    finally:
        judges.close()
        # Also ends a verdict that nobody waits for any more.
        verifier.close()


def _context(task: Task, environment: Environment, figures: GpuFigures | None) -> PromptContext:
    """What all questions of this run have in common."""
    problem = task.problem
    return PromptContext(
        task=task,
        triton_version=environment.triton,
        figures=None if figures is None else replace(figures, name=environment.gpu),
        exemplar=exemplar_for(problem.family, problem.summary, problem.reference_text),
    )


def _begin(start: _Start, environment: Environment, rank: Rank) -> Restored | None:
    """Put the start on record; what an earlier one left behind, if there was one."""
    time_utc = datetime.now(UTC).isoformat(timespec="seconds")
    task, record = start.order.task, start.record
    if record is None:
        start.emit(_run_started(start, environment, time_utc))
        return None
    check_same_gpu(record, environment)
    restored = restore(record, task, rank)
    start.recall(record.events)
    start.emit(
        RunResumed(at_s=start.at_s(), time=time_utc, budget=task.budget, environment=environment)
    )
    return restored


def _run_started(start: _Start, environment: Environment, time_utc: str) -> RunStarted:
    task = start.order.task
    return RunStarted(
        at_s=start.at_s(),
        time=time_utc,
        problem=task.problem.name,
        problem_sha256=task.problem.sha256,
        request_id=task.request.request_id if task.request else None,
        generation=task.generation,
        model=start.model.name,
        budget=task.budget,
        environment=environment,
        parent_sha256=task.parent.sha256 if task.parent else None,
        feedback_sha256=feedback_digest(task),
    )


def _run_ended(manifest: ResultBundle, at_s: float, *, interrupted: bool) -> RunEnded:
    return RunEnded(
        at_s=at_s,
        outcome=manifest.outcome,
        best_attempt=manifest.best_attempt,
        stopped_because=manifest.stopped_because,
        interrupted=interrupted,
    )


def _deliver(
    order: Order, result: LoopResult, environment: Environment, wall_s: float
) -> ResultBundle:
    """Write the bundle and the step summary."""
    path = order.out / TRANSCRIPT
    transcript = read_transcript(path) if path.exists() else ()
    run = Run(
        task=order.task,
        result=result,
        environment=environment,
        # As the answers came, several streams wrote it; a reader goes by attempts.
        transcript=tuple(sorted(transcript, key=lambda entry: entry.attempt)),
        wall_s=wall_s,
        prices=order.prices,
        ended_s=ended_s(order.out / JOURNAL),
    )
    built = build_bundle(run)
    summary = render_summary(order.task.problem, built.results)
    deliver_bundle(order.out, built.manifest, built.contents, summary)
    return built.manifest


async def _settle(
    start: _Start, result: LoopResult, judge: VerifierJudge, known: Mapping[int, Evaluation]
) -> LoopResult:
    """The final verdict.

    `known`: final verdicts that an earlier start of this run reached.
    """

    async def finalize(row: Tried) -> Evaluation:
        if row.candidate is None:
            raise RunnerError("a kernel that passed has no source")
        before = known.get(row.attempt.index)
        if before is not None:
            return before
        return await asyncio.to_thread(judge.finalize, row.candidate)

    return await settle_or_keep(result, judge, finalize, start.emit, start.at_s)
