"""Where a run stands, summed up from the journal's events.

Owns what live progress says and how it is cut to the wire type's limits. Pure: posts nothing.
"""

from __future__ import annotations

from runner.contract import Attempt, EvaluationStatus, Performance
from runner.journal import AttemptFinished, Event, FinalVerdict, RunEnded, RunResumed, RunStarted
from runner.one_line import one_line
from runner.run_progress import BestSoFar, Phase, RunProgress

_NAME_CHARS = 80


class Tally:
    """Counts events. Its figures are the journal's: nothing here is measured again."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._phase: Phase = "preparing"
        self._attempts = 0
        self._passed = 0
        self._last: EvaluationStatus | None = None
        self._best: BestSoFar | None = None

    def add(self, event: Event) -> None:
        """Take one event into account; of another start of the same run, too."""
        if isinstance(event, (RunStarted, RunResumed)):
            self._phase = "searching"
        elif isinstance(event, AttemptFinished):
            self._count(event.attempt)
        elif isinstance(event, FinalVerdict):
            self._phase = "final"
        elif isinstance(event, RunEnded):
            self._phase = "ended"

    def _count(self, attempt: Attempt) -> None:
        self._attempts += 1
        self._last = attempt.evaluation.status
        self._passed += self._last is EvaluationStatus.PASSED
        if attempt.kept:
            self._best = best_so_far(attempt.index, attempt.evaluation.performance)

    def progress(self, at_s: float, left_s: float) -> RunProgress:
        """Where the run stands, `at_s` seconds after its beginning."""
        return RunProgress(
            request_id=self._request_id,
            at_s=max(0.0, round(at_s, 3)),
            phase=self._phase,
            attempts=self._attempts,
            passed=self._passed,
            last_status=self._last,
            best=self._best,
            left_s=max(0.0, round(left_s, 1)),
        )


def best_so_far(attempt: int, performance: Performance | None) -> BestSoFar:
    """The kernel at its weakest: the baseline and the workload where it gains least.

    A mean would flatter a kernel that loses somewhere, and the final outcome looks at all of them.
    """
    timed = (
        [row for timing in performance.timings for row in timing.baselines] if performance else []
    )
    if not timed:
        return BestSoFar(attempt=attempt)
    weakest = min(timed, key=lambda row: row.ratio_low)
    return BestSoFar(
        attempt=attempt,
        ratio=weakest.ratio,
        ratio_low=weakest.ratio_low,
        ratio_high=weakest.ratio_high,
        baseline=one_line(weakest.name, _NAME_CHARS) or "baseline",
    )
