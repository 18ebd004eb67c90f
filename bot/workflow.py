"""The durable workflow of one kernel request: from the acknowledgement to the pull request.

Straight-line. Owns the order of the steps and that every way out is an end which the user sees.
Steps run at least once, so each looks before it creates; the step runner keeps their results.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from bot import checks, dispatch, intake, preparation, pull_request
from bot.errors import End, UserError
from bot.gate import is_nights_own
from bot.gathering import gather
from bot.github_api import GitHub
from bot.labels import Shown
from bot.messages import comments as say
from bot.messages import progress, run_ends
from bot.messages.change import changed
from bot.messages.refusals import refused
from bot.permissions import may_ask
from bot.records import (
    Collected,
    Committed,
    Dispatched,
    Ended,
    Job,
    Prepared,
    Published,
    Regenerate,
    Standing,
    Voice,
)
from bot.run_watch import RunWatch
from bot.states import Track
from bot.steps import StepCrashed, Steps
from bot.telling import Telling
from bot.tools import Tools
from runner.contract import KernelRequest, Outcome

log = logging.getLogger(__name__)
# What a first round does, and what it says where it ends without a kernel.
STEPS = (
    "react",
    "open_progress",
    "check_permission",
    "prepare",
    "label_state",
    "dispatch",
    "look_at_queue",
    "show_run",
    "look_at_run",
    "collect",
    "commit",
    "publish",
    "report_check",
    "say_outcome",
    "close_progress",
)
# Further steps: of reviews that are taken together, and of a run that is stopped.
OTHER_STEPS = ("clock", "show_gathering", "cancel_run")
_SUMMARY: dict[End, str] = {
    "published": "done",
    "refused": "not started: see below",
    "invalid": "the spec has faults: see below",
    "unsolved": "no kernel to publish: see below",
    "cancelled": "cancelled: see below",
    "superseded": "stopped in favour of a newer round",
    "failed": "ended without a kernel: see below",
}
# None: as it was before the request, for someone else's request or round is what counts.
_LABEL: dict[End, Shown | None] = {
    "published": "done",
    "refused": None,
    "invalid": "invalid",
    "unsolved": "failed",
    "cancelled": "failed",
    "superseded": None,
    "failed": "failed",
}


def generation(steps: Steps, tools: Tools, job: Job) -> Ended:
    """Carry `job` to its end, whatever that is, and say it."""
    flow = _Generation(
        steps=steps,
        tools=tools,
        job=job,
        track=Track(),
        telling=Telling(steps=steps, tools=tools, job=job),
    )
    try:
        ended = flow.carry_out()
    except UserError as error:
        ended = Ended(end=error.end, text=error.text, summary=_SUMMARY[error.end])
    except StepCrashed:
        log.error("request %s ended by a step that failed", job.request_id)  # noqa: TRY400
        ended = Ended(end="failed", text=say.unexpected(job), summary=_SUMMARY["failed"])
    flow.track.move(ended.end)
    further = {"dispatched": flow.run is not None, "heard": tuple(flow.heard)}
    ended = ended.model_copy(update=further)
    try:
        flow.tell(ended)
    except (UserError, StepCrashed):
        log.exception("request %s: its end could not be told", job.request_id)
    return ended


def abandon(steps: Steps, tools: Tools, job: Job) -> Ended:
    """The end of a job that a fault of ours stopped: says so, with its id only."""
    summary = _SUMMARY["failed"]
    ended = Ended(end="failed", text=say.unexpected(job), summary=summary, dispatched=True)
    telling = Telling(steps=steps, tools=tools, job=job)
    flow = _Generation(steps=steps, tools=tools, job=job, track=Track(), telling=telling)
    flow.tell(ended)
    return ended


@dataclass(slots=True, kw_only=True)
class _Generation:
    """The steps of one job, each by its name in STEPS. `run` is there once it was dispatched."""

    steps: Steps
    tools: Tools
    job: Job
    track: Track
    telling: Telling
    run: Dispatched | None = None
    heard: list[Voice] = field(default_factory=list)

    def _github(self) -> GitHub:
        return self.tools.github(self.job.repository, self.job.installation_id)

    def carry_out(self) -> Ended:
        """All steps up to the pull request."""
        steps = self.steps
        self.telling.acknowledge()
        self.telling.show(progress.progress(self.job, "received"), "open_progress")
        self.job = gather(steps, self.tools, self.telling, self.track, self.heard)
        steps.do("check_permission", self._check_permission)
        prepared = steps.run(
            "prepare",
            lambda: preparation.prepare(self._github(), self.tools, self.job),
            Prepared,
        )
        request = self._accept(prepared)
        run = steps.run(
            "dispatch",
            lambda: dispatch.ensure_dispatched(self._github(), self.tools, self.job, prepared),
            Dispatched,
        )
        self.run = run
        collected = self._collect(run, request)
        return self._publish(prepared, collected, run)

    def _check_permission(self) -> None:
        sender = self.job.cause.sender
        config = self.job.config
        if is_nights_own(self.job.cause, config):
            return
        if not may_ask(sender, self._github().role(sender), config.who_may_ask):
            raise UserError(refused(sender, config), "refused")

    def _accept(self, prepared: Prepared) -> KernelRequest:
        """The request of a spec without faults."""
        if prepared.request is None:
            raise UserError(say.faults(prepared.faults, self.job), "invalid")
        self.telling.label("running")
        return prepared.request

    def _collect(self, run: Dispatched, request: KernelRequest) -> Collected:
        """What the run handed back, when it is over. Raises UserError where there is no kernel."""
        watch = RunWatch(
            steps=self.steps,
            tools=self.tools,
            telling=self.telling,
            track=self.track,
            run=run,
            budget=request.budget,
        )
        conclusion = watch.until_over()
        stopping = watch.stopping
        if stopping is not None and stopping.kind == "supersede" and conclusion != "success":
            raise UserError(run_ends.superseded(stopping.by), "superseded")
        self.track.move("delivering")
        if conclusion not in ("success", "cancelled"):
            raise UserError(run_ends.run_failed(conclusion, run.run_url, self.job))

        def collect() -> Collected:
            found = intake.collect(self._github(), self.job, run, request, conclusion, stopping)
            self.tools.metrics.collected(found.manifest)
            return found

        collected = self.steps.run("collect", collect, Collected)
        if collected.manifest.outcome is Outcome.UNSOLVED:
            text = run_ends.unsolved(collected.manifest, run.run_url, self.job)
            raise UserError(text, "unsolved")
        return collected

    def _publish(self, prepared: Prepared, collected: Collected, run: Dispatched) -> Ended:
        job, steps, manifest = self.job, self.steps, collected.manifest
        committed = steps.run(
            "commit",
            lambda: pull_request.commit(self._github(), self.tools, job, prepared, collected),
            Committed,
        )
        if not committed.made:
            raise UserError(run_ends.unchanged(run.run_url, job), "unsolved")
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
            head_sha=committed.sha,
            problem=f"{job.config.problems_folder}/{manifest.problem}",
        )

    def tell(self, ended: Ended) -> None:
        """Say the end: a comment of its own, which notifies, the label, the progress comment."""
        job, good = self.job, ended.end == "published"
        run_url = self.run.run_url if self.run else ""
        at_s = self.steps.run("clock", self.tools.now_s, float)
        self.steps.stand(Standing(state=ended.end, at_s=at_s, run_url=run_url))
        if ended.text:
            # What changed belongs beside the code; any other end where it was asked for.
            number = ended.pull_number if good and ended.pull_number else job.thread_number
            self.telling.say_outcome(number, ended.text)
        if ended.end == "invalid" or self.run is not None:
            self._label_end(ended.end)
        took_s = at_s - self.run.at_s if self.run else None
        body = progress.progress_ended(
            job, good=good, summary=ended.summary, run_url=run_url, took_s=took_s
        )
        self.telling.show(body, "close_progress")

    def _label_end(self, end: End) -> None:
        # However a further round ends, the kernel that was there before is still there.
        self.telling.label("done" if self.job.head_sha is not None else _LABEL[end])
