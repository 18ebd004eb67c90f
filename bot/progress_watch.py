"""What the progress comment shows of a run, and when it is worth an edit.

Owns the pacing: GitHub counts edits, and people read none that comes every second. Pure: all its
times come from recorded steps, so that a replayed workflow makes the same edits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.messages.progress import RunView
from bot.records import Dispatched, Queue, RunNews, RunState
from runner.contract import Budget

# Where nothing but the time has passed. A queue of a day then costs some three hundred edits.
REFRESH_S = 300.0


@dataclass(slots=True, kw_only=True)
class ProgressWatch:
    """One run as it is seen from outside. Times are Unix times in seconds."""

    run: Dispatched
    budget: Budget
    pace_s: float
    cancelling: bool = False
    _state: RunState | None = None
    _ahead: int | None = None
    _running_since_s: float | None = None
    _newest: RunNews | None = None
    _shown: RunView | None = None
    _shown_at_s: float = 0.0

    def look(self, state: RunState, queue: Queue | None, news: Sequence[RunNews]) -> None:
        """Take a look at the run into account, and what the run itself has said."""
        started_again = self._state is not None and state.attempt > self._state.attempt
        self._state = state
        self._ahead = queue.ahead if queue else None
        if state.status != "in_progress" or started_again:
            self._running_since_s = None
        if state.status == "in_progress" and self._running_since_s is None:
            self._running_since_s = state.at_s
        for each in news:
            # Posts may overtake one another, and come by way of several replicas.
            if self._newest is None or each.order > self._newest.order:
                self._newest = each
        if self._newest is not None and self._newest.attempt < state.attempt:
            self._newest = None

    def due(self) -> RunView | None:
        """What to show now; None where it can wait, or says nothing new."""
        state = self._state
        if state is None:
            return None
        view, before = self._view(state), self._shown
        since_s = state.at_s - self._shown_at_s
        if before is None or view.stage != before.stage:
            worth_it = True
        elif view.without_time() != before.without_time():
            worth_it = since_s >= self.pace_s
        else:
            worth_it = since_s >= REFRESH_S
        if not worth_it:
            return None
        self._shown, self._shown_at_s = view, state.at_s
        return view

    def wait_s(self, poll_interval_s: float) -> float:
        """How long to wait for a webhook: a run that is telling of itself is looked at sooner."""
        if self._running_since_s is None:
            return poll_interval_s
        return min(poll_interval_s, self.pace_s)

    def _view(self, state: RunState) -> RunView:
        running = self._running_since_s is not None
        since_s = self._running_since_s if self._running_since_s is not None else self.run.at_s
        return RunView(
            stage="cancelling" if self.cancelling else "running" if running else "queued",
            run_url=self.run.run_url,
            budget_s=self.budget.wall_clock_s,
            elapsed_s=max(0.0, state.at_s - since_s),
            ahead=None if running or self.cancelling else self._ahead,
            said=self._newest.progress if running and self._newest else None,
        )
