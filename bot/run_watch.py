"""Waiting for the run of a request, and stopping it.

Owns the deadlines of a run and what becomes of the wish to stop it. Woken by webhooks and by
people's commands; asks GitHub by itself for what got lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot import dispatch
from bot.errors import UserError
from bot.github_api import GitHub
from bot.messages import comments as say
from bot.messages import progress
from bot.records import Dispatched, Note, RunState, Standing, Stopping
from bot.states import DEADLINES, Track, Working
from bot.steps import Steps
from bot.telling import Telling
from bot.tools import Tools
from runner.contract import Budget


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

    def until_over(self) -> str:
        """The run's conclusion. Raises UserError past a deadline, with the run cancelled."""
        self.since_s = self.run.at_s
        self._enter("queued", self.run.at_s)
        while True:
            seen = self.steps.run("look_at_run", self._look, RunState)
            if seen.status == "completed":
                return seen.conclusion or "unknown"
            if seen.status == "in_progress" and self.track.state == "queued":
                self._enter("running", seen.at_s)
            self._check_deadline(seen)
            note = self.steps.wait(self.tools.poll_interval_s)
            if note is not None:
                self._hear(note, seen)

    def _github(self) -> GitHub:
        job = self.telling.job
        return self.tools.github(job.repository, job.installation_id)

    def _look(self) -> RunState:
        return dispatch.look_at(self._github(), self.tools, self.run.run_id)

    def _enter(self, state: Working, at_s: float) -> None:
        self.track.move(state)
        self.since_s = at_s
        self.steps.stand(Standing(state=state, at_s=at_s, run_url=self.run.run_url))
        stages: dict[str, progress.Stage] = {
            "queued": "queued", "running": "running", "cancelling": "cancelling",
        }  # fmt: skip
        body = progress.progress(
            self.telling.job, stages[state], run_url=self.run.run_url, budget=self.budget
        )
        self.telling.show(body, "show_run")

    def _hear(self, note: Note, seen: RunState) -> None:
        if note.kind == "moved" or note.kind == "join":
            return
        if self.stopping is None:
            self._stop_run()
            self._enter("cancelling", seen.at_s)
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
            raise UserError(say.run_overdue(limit_s, url, job))
        if state == "cancelling":
            raise UserError(say.not_stopped(limit_s, url, job))
        raise UserError(say.run_too_late(limit_s, url, job))

    def _limit_s(self, state: str) -> float:
        limits_s = {
            "run_deadline_s": self.tools.run_deadline_s,
            "running_deadline_s": self.tools.running_deadline_s,
            "cancel_deadline_s": self.tools.cancel_deadline_s,
        }
        return limits_s[{str(k): v for k, v in DEADLINES.items()}[state]]
