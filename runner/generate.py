"""One run of `generate`: verifier, model, loop and report put together in one folder.

Owns the output folder, the clock and the signals. SIGTERM and Ctrl-C end the loop and deliver the
best so far.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.bundle import write_bundle
from runner.contract import Candidate, Environment, Evaluation, ResultBundle
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.final import settle
from runner.journal import Event, Journal, Listener, RunEnded, RunStarted
from runner.loop import Loop
from runner.loop_io import LoopResult, Tools
from runner.model import Model, open_model
from runner.model.record import RecordingModel
from runner.model.transcript import read_transcript
from runner.prices import PriceTable
from runner.progress import Progress, open_progress
from runner.readme import render_summary
from runner.report import Run, build_bundle
from runner.search import Tried
from runner.settings import Settings
from runner.task import Task

if TYPE_CHECKING:
    from runner.verifier import Verifier

TRANSCRIPT = "transcript.jsonl"
# Kept for the final verdict: on a GPU two fresh processes, and compute-sanitizer twice.
_RESERVE_S = {"cpu": 20.0, "cuda": 60.0}
_RESERVE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for."""

    task: Task
    model: str
    out: Path
    allow_no_sandbox: bool
    prices: PriceTable = field(default_factory=dict)


async def generate(order: Order, settings: Settings, stream: TextIO) -> ResultBundle:
    """Run the loop and write journal, transcript, best, bundle and summary under `order.out`.

    Progress goes to `stream`. Raises RunnerError where nothing could be delivered.
    """
    started_s = time.monotonic()
    # The cheap mistakes first: a wrong folder or model should not wait for torch.
    _claim_folder(order.out)
    inner = open_model(order.model, settings.endpoint, generation=order.task.generation)
    model = RecordingModel(inner, order.out / TRANSCRIPT, order.task.generation)

    def time_left_s() -> float:
        return order.task.budget.wall_clock_s - (time.monotonic() - started_s)

    progress = open_progress(stream, time_left_s)
    try:
        with _signals() as stops:
            return await _run(order, model, progress, stops, started_s)
    finally:
        progress.close()
        await model.close()


async def _run(
    order: Order, model: Model, progress: Progress, stops: _Stops, started_s: float
) -> ResultBundle:
    task, out = order.task, order.out
    journal = Journal(out / "journal.jsonl")

    def emit(event: Event) -> None:
        journal(event)
        progress(event)

    verifier, environment = await asyncio.to_thread(_prepare, order)
    try:
        emit(_run_started(task, model, environment, time.monotonic() - started_s))
        tools = Tools(
            model=model,
            judge=_Judge(verifier),
            emit=emit,
            save_best=BestFolder(out / "best"),
            clock=time.monotonic,
            started_s=started_s,
            triton_version=environment.triton,
            reserve_s=min(_RESERVE_S[verifier.device], _RESERVE_SHARE * task.budget.wall_clock_s),
        )
        loop = Loop(task, tools)
        stops.watch(loop)
        result = await loop.run()
        if stops.reason is None:
            result = await _settle(result, verifier, emit, started_s)
        elif result.best is not None:
            reason = f"{result.stopped_because}; no final verdict"
            result = replace(result, stopped_because=reason)
        manifest = _deliver(order, result, environment, time.monotonic() - started_s)
        emit(_run_ended(manifest, time.monotonic() - started_s))
        return manifest
    finally:
        # Also ends a verdict that nobody waits for any more.
        verifier.close()


def _prepare(order: Order) -> tuple[Verifier, Environment]:
    """A verifier whose reference has been checked: before a token is spent on a faulty spec."""
    # Imported late: torch takes seconds, and a mistyped command should not.
    from runner.environment import choose_device, collect_environment
    from runner.verifier import Verifier, VerifyOptions

    device = choose_device(None)
    options = VerifyOptions(device=device, allow_no_sandbox=order.allow_no_sandbox)
    verifier = Verifier(order.task.problem, options)
    try:
        verifier.prepare()
        return verifier, collect_environment(device=device, sandbox=verifier.sandbox)
    except BaseException:
        verifier.close()
        raise


def _run_started(task: Task, model: Model, environment: Environment, at_s: float) -> RunStarted:
    return RunStarted(
        at_s=at_s,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        problem=task.problem.name,
        problem_sha256=task.problem.sha256,
        request_id=task.request.request_id if task.request else None,
        generation=task.generation,
        model=model.name,
        budget=task.budget,
        environment=environment,
        parent_sha256=task.parent.sha256 if task.parent else None,
    )


def _run_ended(manifest: ResultBundle, at_s: float) -> RunEnded:
    return RunEnded(
        at_s=at_s,
        outcome=manifest.outcome,
        best_attempt=manifest.best_attempt,
        stopped_because=manifest.stopped_because,
    )


def _deliver(
    order: Order, result: LoopResult, environment: Environment, wall_s: float
) -> ResultBundle:
    """Write the bundle and the step summary."""
    transcript = order.out / TRANSCRIPT
    run = Run(
        task=order.task,
        result=result,
        environment=environment,
        transcript=read_transcript(transcript) if transcript.exists() else (),
        wall_s=wall_s,
        prices=order.prices,
    )
    manifest, contents = build_bundle(run)
    # Whole or not at all: what uploads the bundle of a killed run must not find half of it.
    draft = order.out / ".bundle"
    write_bundle(draft, manifest, contents)
    draft.rename(order.out / "bundle")
    write_atomically(order.out / "summary.md", render_summary(order.task.problem, manifest))
    return manifest


def _claim_folder(out: Path) -> None:
    """Make the output folder. One that holds anything is another run's: never mix two."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise RunnerError(f"{out} is not empty: name a new folder with --out")
    except OSError as error:
        raise RunnerError(f"cannot write to {out}: {error.strerror}") from error


class BestFolder:
    """Keeps the best so far on disk as `kernel.py` and `evaluation.json`, each whole at any time.

    A reader that comes between the two sees it: the evaluation names the kernel's digest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, best: Tried) -> None:
        if best.candidate is None:
            raise ValueError("a best attempt has a candidate")
        self._folder.mkdir(exist_ok=True)
        evaluation = best.attempt.evaluation.model_dump_json(indent=1) + "\n"
        write_atomically(self._folder / "kernel.py", best.candidate.source)
        write_atomically(self._folder / "evaluation.json", evaluation)


async def _settle(
    result: LoopResult, verifier: Verifier, emit: Listener, started_s: float
) -> LoopResult:
    """The final verdict. A machine that fails now must not cost a kernel that is right."""
    judge = _Judge(verifier)

    async def finalize(row: Tried) -> Evaluation:
        if row.candidate is None:
            raise RunnerError("a kernel that passed has no source")
        verifier.abandon()
        return await asyncio.to_thread(judge.finalize, row.candidate)

    def clock() -> float:
        return time.monotonic() - started_s

    try:
        return await settle(result, judge, finalize, emit, clock)
    except RunnerError as error:
        reason = f"{result.stopped_because}; no final verdict: {error}"
        return replace(result, stopped_because=reason)


class _Judge:
    """The verifier as the loop sees it, from the loop's one thread for verdicts."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def verify(self, candidate: Candidate) -> Evaluation:
        return self._verifier.verify(candidate)

    def finalize(self, candidate: Candidate) -> Evaluation:
        return self._verifier.finalize(candidate)

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        from runner.verifier import rank

        return rank(evaluation)


class _Stops:
    """Hands a signal to the loop, also one that came before there was a loop."""

    def __init__(self) -> None:
        self._loop: Loop | None = None
        self.reason: str | None = None

    def __call__(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self._loop is not None:
            self._loop.stop(reason)

    def watch(self, loop: Loop) -> None:
        self._loop = loop
        if self.reason is not None:
            loop.stop(self.reason)


@contextmanager
def _signals() -> Iterator[_Stops]:
    """SIGTERM and SIGINT ask for the best so far while this lasts."""
    stops = _Stops()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stops, f"stopped by {number.name}")
    try:
        yield stops
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
