"""Waiting for the run of a request, and stopping it.

Owns the deadlines of a run and what becomes of the wish to stop it. Woken by webhooks and by
people's commands; asks GitHub by itself for what got lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot import dispatch
from bot.errors import UserError
from bot.github_api import GitHub
from bot.messages import progress, run_ends
from bot.progress_watch import ProgressWatch
from bot.records import Dispatched, Note, Queue, RunState, Standing, Stopping
from bot.states import DEADLINES, State, Track, Working
from bot.steps import Steps
from bot.telling import Telling
from bot.tools import Tools
from runner.contract import Budget
from runner.run_progress import RunProgress


@dataclass(slots=True, kw_only=True)
class RunWatch:
    """One run until it is over. `stopping` says who wanted it to end early, and why."""

    steps: Steps
    tools: Tools
    telling: Telling
    track: Track
    run: Dispatched
    budget: Budget
    stopping: Stopping | None = None
    since_s: float = 0.0
    shown: ProgressWatch = field(init=False)

    def __post_init__(self) -> None:
        self.shown = ProgressWatch(
            run=self.run, budget=self.budget, pace_s=self.tools.progress_pace_s
        )

    def until_over(self) -> str:
        """The run's conclusion. Raises UserError past a deadline, with the run cancelled."""
        run = self.run
        self.steps.announce(run)
        seen = RunState(status="queued", conclusion=None, attempt=run.attempt, at_s=run.at_s)
        self._enter("queued", seen)
        while True:
            seen = self.steps.run("look_at_run", self._look, RunState)
            if seen.status == "completed":
                return seen.conclusion or "unknown"
            if seen.status == "in_progress" and self.track.state == "queued":
                self._enter("running", seen)
            self._check_deadline(seen)
            self._show(seen)
            note = self.steps.wait(self.shown.wait_s(self.tools.poll_interval_s))
            if note is not None:
                self._hear(note, seen)

    def _github(self) -> GitHub:
        job = self.telling.job
        return self.tools.github(job.repository, job.installation_id)

    def _look(self) -> RunState:
        return dispatch.look_at(self._github(), self.tools, self.run.run_id)

    def _enter(self, state: Working, seen: RunState) -> None:
        self.track.move(state)
        self.since_s = seen.at_s
        self._stand(state)
        self.shown.cancelling = state == "cancelling"
        self._show(seen)

    def _show(self, seen: RunState) -> None:
        """Edit the progress comment where the run, its queue or its own words ask for it."""
        queue: Queue | None = None
        if self.track.state == "queued":
            queue = self.steps.run("look_at_queue", self._look_at_queue, Queue)
        self.shown.look(seen, queue, self.steps.news())
        view = self.shown.due()
        if view is None:
            return
        body = progress.progress_of_run(self.telling.job, view)
        self.telling.show(body, "show_run")
        if view.said is not None:
            self._stand(self.track.state, view.said)

    def _stand(self, state: State, said: RunProgress | None = None) -> None:
        url = self.run.run_url
        self.steps.stand(Standing(state=state, at_s=self.since_s, run_url=url, said=said))

    def _look_at_queue(self) -> Queue:
        return dispatch.look_at_queue(self._github(), self.run.run_id)

    def _hear(self, note: Note, seen: RunState) -> None:
        if note.kind == "moved" or note.kind == "join":
            return
        if self.stopping is None:
            self._stop_run()
            self._enter("cancelling", seen)
        # Newer words outrank a cancellation: what they supersede is not delivered.
        if self.stopping is None or note.kind == "supersede":
            self.stopping = Stopping(kind=note.kind, by=note.by)

    def _stop_run(self) -> None:
        self.steps.do("cancel_run", lambda: self._github().cancel_run(self.run.run_id))

    def _check_deadline(self, seen: RunState) -> None:
        state = self.track.state
        limit_s = self._limit_s(state)
        if seen.at_s - self.since_s <= limit_s:
            return
        # Whoever waited for it is told that it is over: it must not go on using the machine.
        self._stop_run()
        job, url = self.telling.job, self.run.run_url
        if state == "running":
            raise UserError(run_ends.run_overdue(limit_s, url, job))
        if state == "cancelling":
            raise UserError(run_ends.not_stopped(limit_s, url, job))
        raise UserError(run_ends.run_too_late(limit_s, url, job))

    def _limit_s(self, state: str) -> float:
        limits_s = {
            "run_deadline_s": self.tools.run_deadline_s,
            "running_deadline_s": self.tools.running_deadline_s,
            "cancel_deadline_s": self.tools.cancel_deadline_s,
        }
        return limits_s[{str(k): v for k, v in DEADLINES.items()}[state]]
