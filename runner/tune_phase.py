"""The tune phase: the best kernel's launch parameters, measured while the judges have nothing else.

Owns when a kernel is tuned: at most once, and only the best. What tuning makes of it is judged like
any other kernel; the tuner's own timings decide nothing.
"""

from __future__ import annotations

import ast
import asyncio
import warnings
from collections.abc import Callable, Iterable
from typing import Protocol

from runner.contract import Candidate
from runner.errors import RunnerError
from runner.fingerprint import fingerprint
from runner.history import History
from runner.journal import TuneFinished, TuneSkipped
from runner.loop_io import Tools
from runner.tried import Tried
from runner.tune.types import Tuned, untuned

# A judge that tunes gives no verdicts: no longer than a model takes for an answer or two.
MAX_TUNE_S = 120.0
NO_TUNER = "nothing is timed on this machine"


class Court(Protocol):
    """Where a tuned kernel is judged; `idle` is set while no verdict is asked for."""

    idle: asyncio.Event

    async def judge_tuned(self, event: TuneFinished) -> None:
        """Bring the attempt of a tuned kernel to its end."""


class TunePhase:
    """Tunes one kernel at a time, in a task of its own."""

    def __init__(
        self, history: History, tools: Tools, court: Court, time_left_s: Callable[[], float]
    ) -> None:
        self._history = history
        self._tools = tools
        self._court = court
        self._time_left_s = time_left_s
        self._unjudged: list[TuneFinished] = []
        self._skipped = False
        self.task: asyncio.Task[None] | None = None

    def resume(self, unjudged: Iterable[TuneFinished]) -> None:
        """Judge what an earlier start of this run tuned, then go on."""
        self._unjudged.extend(unjudged)
        self.consider()

    def consider(self) -> None:
        """Begin to tune the best kernel where that is due and nothing is being tuned."""
        if self.task is not None or not (self._unjudged or self._due()):
            return
        self.task = asyncio.ensure_future(self._run())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.task = None
            self.consider()

    def _due(self) -> Tried | None:
        best = self._history.best
        if best is None or best.candidate is None or best.attempt.index in self._history.tuned:
            return None
        if not declares_tunables(best.candidate.source):
            return None
        if self._tools.judges.tune is None:
            self._skip(best)
            return None
        return best

    def _skip(self, best: Tried) -> None:
        if not self._skipped:
            self._skipped = True
            self._tools.emit(TuneSkipped(at_s=self._at_s(), of=best.attempt.index, reason=NO_TUNER))

    async def _run(self) -> None:
        while self._unjudged:
            await self._court.judge_tuned(self._unjudged.pop(0))
        await self._court.idle.wait()
        # The best may have changed while the judges were busy.
        best = self._due()
        tune = self._tools.judges.tune
        if best is None or best.candidate is None or tune is None:
            return
        began_s = self._tools.clock()
        try:
            tuned = await tune(best.candidate, min(MAX_TUNE_S, self._time_left_s()))
        except RunnerError as error:
            # The kernel is as good as it was; the next verdict says whether the machine is.
            tuned = untuned(best.candidate, f"tuning failed: {error}")
        await self._conclude(best, tuned, self._tools.clock() - began_s)

    async def _conclude(self, best: Tried, tuned: Tuned | None, tune_s: float) -> None:
        """Put the result on record, and have it judged where it is another kernel."""
        if best.candidate is None:
            raise ValueError("only a kernel is tuned")
        tuned = tuned or untuned(best.candidate, "nothing to tune")
        changed = fingerprint(tuned.candidate.source) != fingerprint(best.candidate.source)
        event = TuneFinished(
            at_s=self._at_s(),
            of=best.attempt.index,
            attempt=self._history.number_attempt() if changed else None,
            source=tuned.candidate.source if changed else None,
            tried=tuned.tried,
            dropped=tuned.dropped,
            timed=tuned.timed,
            note=tuned.note,
            tune_s=tune_s,
        )
        self._history.tune_finished(event)
        self._tools.emit(event)
        await self._court.judge_tuned(event)

    def _at_s(self) -> float:
        return self._tools.clock() - self._tools.started_s


def declares_tunables(source: str) -> bool:
    """Whether `source` assigns `TUNABLES` at module level. Parses it, never runs it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    targets = [
        target
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return any(isinstance(target, ast.Name) and target.id == "TUNABLES" for target in targets)


def candidate_of(event: TuneFinished) -> Candidate:
    """The tuned kernel. Raises ValueError where nothing came of the tuning."""
    if event.attempt is None or event.source is None:
        raise ValueError("nothing came of this tuning")
    return Candidate.of(event.source, event.attempt)
