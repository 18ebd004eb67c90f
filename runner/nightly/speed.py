"""What a night may say of a correct kernel's speed, from its timings and the recorded ones.

Owns when there is no verdict on speed at all, and the way from timings to `comparison` and back
into a row. The rule itself is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.contract import Environment, Evaluation
from runner.night_record import KernelNight, NightBaseline, NightStatus, NightTiming
from runner.nightly import comparison
from runner.nightly.comparison import Change, LogRatio, Past, Session
from runner.nightly.recorded import Recorded

Rows = tuple[NightTiming, ...]
# The first one and two that confirm it, as `comparison` says.
SPEED_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why speed has no verdict, and what the night is called then."""

    status: NightStatus
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the timings say. `suspected`: a further run has to show it."""

    status: NightStatus
    changes: tuple[Change, ...]
    suspected: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Is this kernel slower? `earlier`: its nights in this leg, oldest first."""

    recorded: Recorded | None
    problem_sha256: str
    kernel_sha256: str
    earlier: tuple[KernelNight, ...]
    tonight: Environment

    def obstacle(self, evaluation: Evaluation) -> Obstacle | None:
        """Why there can be no verdict on speed; None where there can."""
        unfit = NightStatus.NOT_COMPARABLE
        recorded = self.recorded
        if recorded is None:
            return Obstacle(status=unfit, reason="speed: no verdict, nothing is recorded")
        if (recorded.problem_sha256, recorded.kernel_sha256) != (
            self.problem_sha256,
            self.kernel_sha256,
        ):
            return Obstacle(
                status=unfit, reason="speed: no verdict, the recorded times are of other files"
            )
        if recorded.environment.gpu != self.tonight.gpu:
            was, now = recorded.environment.gpu or "no GPU", self.tonight.gpu or "no GPU"
            return Obstacle(
                status=unfit, reason=f"speed: no verdict, recorded on {was}, tonight on {now}"
            )
        if recorded.performance is None and self.tonight.gpu is None:
            return Obstacle(status=NightStatus.PASSED, reason="speed: not measured, no GPU")
        if recorded.performance is None or evaluation.performance is None:
            return Obstacle(status=unfit, reason="speed: no verdict, there are no times to compare")
        if not comparison.changes(self.past(), [_session(evaluation)]):
            return Obstacle(
                status=unfit,
                reason="speed: no verdict, no workload has a baseline in common with the record "
                "that can prove a change",
            )
        return None

    def past(self) -> Past:
        """What tonight is compared with."""
        if self.recorded is None or self.recorded.performance is None:
            raise ValueError("nothing was timed when the kernel was merged")
        rows = [row for row in self.earlier if row.timings and self._fits(row)]
        before, now = self.recorded.environment, self.tonight
        return Past(
            recorded={
                str(timing.workload): {
                    row.name: LogRatio.of(row.ratio, row.ratio_low, row.ratio_high)
                    for row in timing.baselines
                }
                for timing in self.recorded.performance.timings
            },
            nights=tuple(_past_session(row) for row in rows),
            statuses=tuple(row.status for row in rows),
            other_versions=(before.torch, before.triton) != (now.torch, now.triton),
        )

    def was_regressed(self) -> bool:
        """Whether the last night that settled the kernel's speed found it regressed."""
        settled = (NightStatus.PASSED, NightStatus.REGRESSED)
        rows = [row for row in self.earlier if row.status in settled and self._fits(row)]
        return bool(rows) and rows[-1].status is NightStatus.REGRESSED

    def _fits(self, row: KernelNight) -> bool:
        gpu = row.environment.gpu if row.environment else None
        return gpu == self.tonight.gpu and row.problem_sha256 == self.problem_sha256


def first_look(question: Question, evaluation: Evaluation) -> Answer:
    """The answer of one run; not the last word where something is suspected."""
    past, session = question.past(), _session(evaluation)
    rows = comparison.changes(past, [session])
    suspected = comparison.suspects(past, session)
    if suspected:
        return Answer(status=NightStatus.UNCLEAR, changes=rows, suspected=suspected)
    if question.was_regressed() and not comparison.is_back(past, [session]):
        note = "speed: neither clearly regressed nor clearly back"
        return Answer(status=NightStatus.UNCLEAR, changes=rows, notes=(note,))
    return Answer(status=NightStatus.PASSED, changes=rows)


def further_look(question: Question, answer: Answer, runs: Sequence[Evaluation]) -> Answer:
    """The answer of all runs so far; the last of them is the further one.

    Still `suspected` where that one shows it and too few runs have been made.
    """
    past = question.past()
    sessions = [_session(run) for run in runs]
    rows = comparison.changes(past, sessions)
    shown = comparison.shows(past, answer.suspected, sessions[-1])
    if not shown:
        note = f"run {len(runs)} does not show it"
        return Answer(status=NightStatus.UNCLEAR, changes=rows, notes=(note,))
    if len(runs) < SPEED_RUNS:
        return Answer(status=NightStatus.UNCLEAR, changes=rows, suspected=shown)
    confirmed = comparison.figures(past, shown, sessions)
    by_name = {change.workload: change for change in confirmed}
    return Answer(
        status=NightStatus.REGRESSED,
        changes=tuple(by_name.get(row.workload, row) for row in rows),
        notes=tuple(_in_words(change) for change in confirmed),
    )


def rows_of(evaluation: Evaluation, recorded: Recorded | None, changes: Sequence[Change]) -> Rows:
    """The row's timings: one for each workload that was timed."""
    if evaluation.performance is None:
        return ()
    before = recorded.performance if recorded else None
    was = {str(row.workload): row for row in before.timings} if before else {}
    by_name = {change.workload: change for change in changes}
    rows = []
    for timing in evaluation.performance.timings:
        name = str(timing.workload)
        then = was.get(name)
        ratios = {row.name: row.ratio for row in then.baselines} if then else {}
        change = by_name.get(name)
        low, high = change.speed_interval if change else (None, None)
        rows.append(
            NightTiming(
                workload=timing.workload,
                median_ms=timing.median_ms,
                recorded_median_ms=then.median_ms if then else None,
                baselines=tuple(
                    NightBaseline(
                        name=row.name,
                        median_ms=row.median_ms,
                        ratio=row.ratio,
                        low=row.ratio_low,
                        high=row.ratio_high,
                        recorded_ratio=ratios.get(row.name),
                    )
                    for row in timing.baselines
                ),
                speed=change.speed if change else None,
                speed_low=low,
                speed_high=high,
            )
        )
    return tuple(rows)


def _in_words(change: Change) -> str:
    low, high = change.speed_interval
    return (
        f"slower on {change.workload}: {change.speed:.3f} of its speed against {change.baseline} "
        f"(95 % interval {low:.3f} to {high:.3f}), in {SPEED_RUNS} runs"
    )


def _session(evaluation: Evaluation) -> Session:
    if evaluation.performance is None:
        return {}
    return {
        str(timing.workload): {
            row.name: LogRatio.of(row.ratio, row.ratio_low, row.ratio_high)
            for row in timing.baselines
        }
        for timing in evaluation.performance.timings
    }


def _past_session(row: KernelNight) -> Session:
    return {
        str(timing.workload): {
            one.name: LogRatio.of(one.ratio, one.low, one.high) for one in timing.baselines
        }
        for timing in row.timings
    }
