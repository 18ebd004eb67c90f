"""Times a candidate beside the baselines, interleaved, and checks the clock it was timed by.

Owns the order of bursts, the second clock and what counts as a broken one. Judge side: the
workers run the calls, and their events are believed only as far as this clock agrees.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from runner.contract import EvaluationStatus, Workload
from runner.errors import ReferenceFailed
from runner.verifier.finding import Finding, first_line
from runner.verifier.gpu.input_sets import InputSets
from runner.verifier.gpu.second_clock import CLOCKS_EXPLAINED, Clocks, burst_fault, clock_fault
from runner.verifier.process import WorkerFailed, WorkerProcess

ENTRY = "entry"
MIN_BURSTS = 12
_WARM_UP_MS = 30.0
_MAX_WARM_UP_BURSTS = 25
_STABLE = 0.03  # two bursts in a row whose medians differ by less are warm
_CLOCK_MS = 12.0  # how long the shorter burst of the second clock should take
_MAX_CLOCK_CALLS = 1500
_STEADY_REPEATS = 4  # so often for two readings that agree well
# So often where they do not agree at all: a busy host holds up one reading or two, and work that is
# hidden from a clock is hidden in every one.
_CLOCK_REPEATS = 10
# Of a baseline this much a burst, two calls at least: long calls vary little. Against a kernel that
# fuses what eager PyTorch runs one by one, its calls would take most of a verdict.
_BASELINE_BURST_MS = 4.0
_BASELINE_TIMEOUT_S = 60.0  # of one burst
_LAG_SLACK_MS = 0.5
# A busy host holds a process up for some milliseconds now and then, between two looks at its clock.
# A burst that lags is not believed and taken again; work on other streams lags every time.
_MAX_LAGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Something that can be timed: a worker, what it calls it, and which of its arenas is used."""

    worker: WorkerProcess
    who: str
    arena: int


@dataclass(slots=True, kw_only=True)
class Timed:
    """Bursts of calls by name (`ENTRY` is the candidate), in milliseconds; bursts are paired."""

    bursts: dict[str, list[list[float]]] = field(default_factory=dict)
    clock_ms: float | None = None
    span_ms: float | None = None
    checked: int = 0


class TimingRefused(Exception):
    """The candidate's timing cannot be believed, or it failed while timed. Carries `finding`."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


class BaselineFailed(Exception):
    """A baseline failed while it was timed; not the candidate's fault. Carries `name`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"baseline {name} failed: {reason}")
        self.name = name


Check = Callable[[dict[str, Any], int], Finding | None]


class Stopwatch:
    """Times one candidate on one workload. `check(reply, set number)` judges a timed output."""

    def __init__(
        self, candidate: Runner, baselines: list[Runner], sets: InputSets, check: Check
    ) -> None:
        self._candidate = candidate
        self._baselines = baselines
        self._sets = sets
        self._check = check
        self._deadline = 0.0
        self._call_ms: dict[str, float] = {}  # by the warm-up
        self._lags = 0

    def run(
        self, workload: Workload, rounds: int, checks: int, seed: int, deadline: float
    ) -> Timed:
        """At least `rounds` calls of each. Raises TimingRefused, BaselineFailed, WorkerFailed."""
        draw = random.Random(seed)  # noqa: S311 - seeded from the judge's secret
        self._deadline = deadline
        everyone = [self._candidate, *self._baselines]
        timed = Timed(bursts={runner.who: [] for runner in everyone})
        for runner in everyone:
            self._warm_up(runner)
        size = len(self._sets.slots)
        # Nobody always runs behind the same neighbour, and no burst length can be foreseen.
        counts: list[int] = []
        while len(counts) < MIN_BURSTS or sum(counts) < rounds:
            counts.append(size if size < 3 else draw.randint(size - 1, size))
        chosen = set(draw.sample(range(len(counts)), min(checks, len(counts))))
        for number, count in enumerate(counts):
            self._sets.refresh()
            for runner in draw.sample(everyone, len(everyone)):
                ours = runner is self._candidate
                reply = self._burst(runner, count if ours else self._short_burst(runner, count))
                timed.bursts[runner.who].append(reply["times_ms"])
                if ours and number in chosen:
                    finding = self._check(reply, count - 1)
                    if finding is not None:
                        raise TimingRefused(_at_timing(finding, workload))
                    timed.checked += 1
        self._compare_clocks(timed, workload)
        return timed

    def _short_burst(self, runner: Runner, count: int) -> int:
        """How many calls, of `count` at most, take `_BASELINE_BURST_MS`; two where nobody knows."""
        calls = math.ceil(_BASELINE_BURST_MS / self._call_ms.get(runner.who, _BASELINE_BURST_MS))
        return min(count, max(2, calls))

    def _warm_up(self, runner: Runner) -> None:
        """Until two bursts in a row agree. The candidate's, the first, warms the GPU as well."""
        least_ms = _WARM_UP_MS if runner is self._candidate else 0.0
        spent_ms, last = 0.0, float("inf")
        for _ in range(_MAX_WARM_UP_BURSTS):
            count = self._short_burst(runner, len(self._sets.slots))
            times = sorted(self._burst(runner, count)["times_ms"])
            middle = self._call_ms[runner.who] = times[len(times) // 2]
            spent_ms += sum(times)
            if spent_ms > least_ms and abs(middle - last) < _STABLE * middle:
                return
            last = middle
            if len(times) * middle > 10 * _WARM_UP_MS:
                return  # long calls are warm after one burst

    def _burst(self, runner: Runner, count: int) -> dict[str, Any]:
        job = {
            "op": "burst",
            "who": runner.who,
            "arena": runner.arena,
            "inputs": self._sets.rows(count),
            "outputs_at": self._sets.outputs_at if runner is self._candidate else None,
        }
        reply = self._ask(runner, job)
        times = reply.get("times_ms")
        if not are_times(times, count):
            if runner is not self._candidate:
                raise BaselineFailed(runner.who, "it reports no such times as were asked for")
            raise TimingRefused(_cheated("its worker reports no such times as were asked for", ""))
        lag_ms = reply.get("lag_ms")
        if runner is self._candidate and _is_time(lag_ms) and lag_ms > _LAG_SLACK_MS + sum(times):
            self._note_lag(lag_ms)
            self._sets.refresh()  # other contents: nothing learnt from the first try is of use
            return self._burst(runner, count)
        return reply

    def _note_lag(self, lag_ms: float) -> None:
        self._lags += 1
        if self._lags > _MAX_LAGS:
            raise TimingRefused(
                _cheated(
                    f"the GPU worked on for {lag_ms:.3g} ms after the call's own stream was done",
                    "Launch everything on the current stream.",
                )
            )

    def _compare_clocks(self, timed: Timed, workload: Workload) -> None:
        """The judge's own clock on bursts of n and 2 n calls: the difference is n calls."""
        first = self._plain(4)
        count = int(max(4, min(_MAX_CLOCK_CALLS, _CLOCK_MS / max(first.span_ms / 4, 1e-3))))
        times = sorted(t for burst in timed.bursts[ENTRY] for t in burst)
        sound: list[Clocks] = []
        fault: str | None = None
        for turn in range(_CLOCK_REPEATS):
            long, short = self._plain(2 * count), self._plain(count)
            call = long.less(short, count)
            fault = clock_fault(call, times[len(times) // 2]) or burst_fault(long, short)
            if fault is None:
                sound.append(call)
                steady = call.apart_ms < _STABLE * call.span_ms
                if steady or turn + 1 >= _STEADY_REPEATS:
                    break
        if not sound:
            raise TimingRefused(_cheated(f"{fault} on {workload}", CLOCKS_EXPLAINED))
        best = min(sound, key=lambda call: call.apart_ms)
        timed.clock_ms, timed.span_ms = best.clock_ms, best.span_ms

    def _plain(self, count: int) -> Clocks:
        """`count` calls in a row, by every clock."""
        job = {
            "op": "plain",
            "who": self._candidate.who,
            "arena": self._candidate.arena,
            "inputs": self._sets.rows(len(self._sets.slots)),
            "count": count,
        }
        started = time.perf_counter()
        reply = self._ask(self._candidate, job)
        spent_ms = (time.perf_counter() - started) * 1e3
        span_ms, issued_ms = reply.get("span_ms"), reply.get("issued_ms")
        if not _is_time(span_ms) or not _is_time(issued_ms):
            raise TimingRefused(_cheated("its worker reports no such times as were asked for", ""))
        return Clocks(clock_ms=spent_ms, span_ms=float(span_ms), issued_ms=float(issued_ms))

    def _ask(self, runner: Runner, job: dict[str, Any]) -> dict[str, Any]:
        reply = (
            self._ask_baseline(runner, job)
            if runner is not self._candidate
            else (runner.worker.ask(job, self._deadline))
        )
        if reply.get("ok") is True:
            return reply
        said = f"{reply.get('type')}: {reply.get('message')}"
        if runner is not self._candidate:
            raise BaselineFailed(runner.who, first_line(said))
        raise TimingRefused(
            Finding(
                status=EvaluationStatus.RUNTIME_ERROR,
                stage="timing",
                summary=f"it failed while it was timed: {said[:200]}",
                detail=said[:3000],
            )
        )

    def _ask_baseline(self, runner: Runner, job: dict[str, Any]) -> dict[str, Any]:
        """Its worker is needed again: it must not meet a deadline that the candidate used up."""
        now_s = time.monotonic()
        if now_s >= self._deadline:
            raise TimingRefused(_out_of_time())
        try:
            return runner.worker.ask(job, now_s + _BASELINE_TIMEOUT_S)
        except WorkerFailed as error:
            raise ReferenceFailed(f"baseline {runner.who} failed: {error.reason}") from error


def are_times(times: object, count: int) -> TypeGuard[list[float]]:
    """Whether a worker's word for the times of `count` calls is a list of so many, in ms."""
    return isinstance(times, list) and len(times) == count and all(map(_took, times))


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e7


def _took(value: object) -> bool:
    """Whether a call can have taken that many milliseconds: none takes less than a nanosecond."""
    return _is_time(value) and value >= 1e-6


def _at_timing(finding: Finding, workload: Workload) -> Finding:
    return Finding(
        status=finding.status,
        stage="timing",
        summary=f"{finding.summary} (a timed call, with fresh contents at a known address)",
        detail=finding.detail,
    )


def _out_of_time() -> Finding:
    return Finding(
        status=EvaluationStatus.TIMEOUT,
        stage="timing",
        summary="the candidate did not finish in time while it was timed",
    )


def _cheated(summary: str, detail: str) -> Finding:
    return Finding(status=EvaluationStatus.CHEATED, stage="timing", summary=summary, detail=detail)
