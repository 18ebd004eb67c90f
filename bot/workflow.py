"""The durable workflow of one kernel request: from the acknowledgement to the pull request.

Straight-line. Owns the order of the steps and that every way out is an end which the user sees.
Steps run at least once, so each looks before it creates; the step runner keeps their results.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from bot import checks, dispatch, intake, preparation, pull_request, threads
from bot.errors import End, NotFound, UserError
from bot.github_api import GitHub
from bot.messages import comments as say
from bot.messages import progress
from bot.messages.change import changed
from bot.permissions import may_trigger
from bot.records import (
    Collected,
    Committed,
    Dispatched,
    Ended,
    Job,
    Prepared,
    Published,
    Regenerate,
    RunState,
)
from bot.steps import StepCrashed, Steps
from bot.tools import Tools
from runner.contract import KernelRequest, Outcome

log = logging.getLogger(__name__)
STEPS = (
    "react",
    "open_progress",
    "check_permission",
    "prepare",
    "label_spec",
    "dispatch",
    "show_run",
    "look_at_run",
    "collect",
    "commit",
    "publish",
    "report_check",
    "say_outcome",
    "close_progress",
)
_SUMMARY: dict[End, str] = {
    "published": "done",
    "refused": "not started: see below",
    "invalid": "the spec has faults: see below",
    "unsolved": "no kernel to publish: see below",
    "failed": "ended without a kernel: see below",
}


def generation(steps: Steps, tools: Tools, job: Job) -> Ended:
    """Carry `job` to its end, whatever that is, and say it."""
    flow = _Generation(steps=steps, tools=tools, job=job)
    run: list[Dispatched] = []
    try:
        ended = flow.carry_out(run)
    except UserError as error:
        ended = Ended(end=error.end, text=error.text, summary=_SUMMARY[error.end])
    except StepCrashed:
        log.error("request %s ended by a step that failed", job.request_id)  # noqa: TRY400
        ended = Ended(end="failed", text=say.unexpected(job), summary=_SUMMARY["failed"])
    ended = ended.model_copy(update={"dispatched": bool(run)})
    try:
        flow.tell(ended, run[0].run_url if run else "")
    except (UserError, StepCrashed):
        log.exception("request %s: its end could not be told", job.request_id)
    return ended


def abandon(steps: Steps, tools: Tools, job: Job) -> Ended:
    """The end of a job that a fault of ours stopped: says so, with its id only."""
    summary = _SUMMARY["failed"]
    ended = Ended(end="failed", text=say.unexpected(job), summary=summary, dispatched=True)
    _Generation(steps=steps, tools=tools, job=job).tell(ended, "")
    return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class _Generation:
    """The steps of one job, each by its name in STEPS."""

    steps: Steps
    tools: Tools
    job: Job
    # The progress comment's id, once known: a list may not have yet what was made a moment ago.
    known: list[int] = field(default_factory=list)

    def _github(self) -> GitHub:
        return self.tools.github(self.job.repository, self.job.installation_id)

    def carry_out(self, run: list[Dispatched]) -> Ended:
        """All steps up to the pull request. The run, once started, is put into `run`."""
        job, steps = self.job, self.steps
        steps.do("react", lambda: threads.acknowledge(self._github(), job))
        self._show(progress.progress(job, "received"), "open_progress")
        steps.do("check_permission", self._check_permission)
        prepared = steps.run(
            "prepare",
            lambda: preparation.prepare(self._github(), self.tools, job),
            Prepared,
        )
        request = self._accept(prepared)
        run.append(
            steps.run(
                "dispatch",
                lambda: dispatch.ensure_dispatched(self._github(), self.tools, job, prepared),
                Dispatched,
            )
        )
        self._await_run(run[0], request)
        collected = steps.run("collect", lambda: self._collect(run[0], request), Collected)
        if collected.manifest.outcome is Outcome.UNSOLVED:
            raise UserError(say.unsolved(collected.manifest, run[0].run_url, job), "unsolved")
        return self._publish(prepared, collected, run[0])

    def _collect(self, run: Dispatched, request: KernelRequest) -> Collected:
        collected = intake.collect(self._github(), self.job, run, request)
        self.tools.metrics.collected(collected.manifest)
        return collected

    def _check_permission(self) -> None:
        sender = self.job.cause.sender
        if not may_trigger(self._github().role(sender)):
            raise UserError(say.refused(sender), "refused")

    def _accept(self, prepared: Prepared) -> KernelRequest:
        """The request of a spec without faults; the issue's label says which it is."""
        if not isinstance(self.job.cause, Regenerate):
            self.steps.do(
                "label_spec",
                lambda: threads.set_invalid(
                    self._github(), self.job.issue_number, invalid=bool(prepared.faults)
                ),
            )
        if prepared.request is None:
            raise UserError(say.faults(prepared.faults, self.job), "invalid")
        return prepared.request

    def _await_run(self, run: Dispatched, request: KernelRequest) -> None:
        """Until the run is over. Woken by webhooks, and asks by itself for those that got lost."""
        self._show_run(run, request, "queued")
        shown: progress.Stage = "queued"
        while True:
            state = self.steps.run(
                "look_at_run",
                lambda: dispatch.look_at(self._github(), self.tools, run.run_id),
                RunState,
            )
            if state.status == "completed":
                break
            if state.at_s - run.at_s > self.tools.run_deadline_s:
                late = say.run_too_late(self.tools.run_deadline_s, run.run_url, self.job)
                raise UserError(late)
            if state.status == "in_progress" and shown == "queued":
                shown = "running"
                self._show_run(run, request, shown)
            self.steps.wait(self.tools.poll_interval_s)
        if state.conclusion != "success":
            raise UserError(say.run_failed(state.conclusion or "unknown", run.run_url, self.job))

    def _publish(self, prepared: Prepared, collected: Collected, run: Dispatched) -> Ended:
        job, steps, manifest = self.job, self.steps, collected.manifest
        committed = steps.run(
            "commit",
            lambda: pull_request.commit(self._github(), self.tools, job, prepared, collected),
            Committed,
        )
        if not committed.made:
            raise UserError(say.unchanged(run.run_url, job), "unsolved")
        published = steps.run(
            "publish",
            lambda: pull_request.publish(self._github(), job, prepared, collected, committed),
            Published,
        )
        steps.do("report_check", lambda: checks.report(self._github(), manifest, committed.sha))
        news = ""
        if isinstance(job.cause, Regenerate) and prepared.request is not None:
            feedback = prepared.request.feedback
            news = changed(manifest, feedback, prepared.before, committed.sha)
        return Ended(
            end="published",
            text=news,
            summary=progress.published(published.number, manifest),
            pull_number=published.number,
        )

    def tell(self, ended: Ended, run_url: str) -> None:
        """Say the end: a comment of its own, which notifies, and the progress comment."""
        job, good = self.job, ended.end == "published"
        if ended.text:
            # What changed belongs beside the code; any other end where it was asked for.
            number = ended.pull_number if good and ended.pull_number else job.thread_number
            self.steps.do("say_outcome", lambda: self._say(number, say.outcome(job, ended.text)))
        body = progress.progress_ended(job, good=good, summary=ended.summary, run_url=run_url)
        self._show(body, "close_progress")

    def _show_run(self, run: Dispatched, request: KernelRequest, stage: progress.Stage) -> None:
        body = progress.progress(self.job, stage, run_url=run.run_url, budget=request.budget)
        self._show(body, "show_run")

    def _show(self, body: str, step: str) -> None:
        """Make the one progress comment say `body`; found by its marker, made where it is new."""

        def act() -> None:
            github, number = self._github(), self.job.thread_number
            marker = progress.progress_marker(self.job.request_id)
            if not self.known:
                found = threads.find_comment(github, number, marker, self.tools.login)
                if found is None:
                    self.known.append(github.create_comment(number, body).id)
                    return
                self.known.append(found)
            try:
                github.edit_comment(self.known[0], body)
            except NotFound:
                # Somebody deleted it, and still wants to know how it ends.
                self.known[0] = github.create_comment(number, body).id

        self.steps.do(step, act)

    def _say(self, number: int, body: str) -> None:
        threads.ensure_comment(self._github(), number, body, self.tools.login)
