"""What the database knows of requests: which are under way, how others ended, where they stand.

Owns how a row of DBOS's is read. Changes nothing there; `durable` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dbos import DBOS, WorkflowStatus
from pydantic import ValidationError

from bot.durable_steps import GATHERED, RUN, STANDING
from bot.progress import RunOf
from bot.records import (
    Delivery,
    Dispatched,
    Ended,
    Job,
    Request,
    RunStarted,
    Standing,
    Start,
)

GENERATION, DELIVERY = "generation", "delivery"
UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]


class KeptRequests:
    """The reading half of `desk.Requests`, `reconcile.Known` and `progress.Runs`."""

    def active(self, repository: str, issue_number: int) -> str | None:
        rows = DBOS.list_workflows(name=GENERATION, status=UNFINISHED, load_output=False)
        for row in rows:
            job = read_job(row)
            if job and (job.repository, job.issue_number) == (repository, issue_number):
                return job.request_id
        return None

    def ended(self, request_ids: Sequence[str]) -> dict[str, Ended]:
        ids = list(request_ids)
        rows = DBOS.list_workflows(name=GENERATION, workflow_ids=ids, load_input=False)
        return {row.workflow_id: _read_end(row) for row in rows}

    def latest(self, repository: str, issue_number: int) -> Request | None:
        rows = DBOS.list_workflows(name=GENERATION, sort_desc=True)
        for row in rows:
            job = read_job(row)
            if job and (job.repository, job.issue_number) == (repository, issue_number):
                return _read_request(row)
        return None

    def was_told(self, repository: str, start: Start, since_s: float) -> bool:
        """Whether a delivery since Unix time `since_s` was about that label on that issue."""
        rows = DBOS.list_workflows(name=DELIVERY, start_time=_iso(since_s), load_output=False)
        return any(
            told.repository == repository
            and isinstance(told.decision, Start)
            and told.decision.issue_number == start.issue_number
            and told.decision.label == start.label
            for told in map(_read_delivery, rows)
            if told is not None
        )

    def runs_since(self, repository: str, since_s: float) -> list[RunStarted]:
        rows = DBOS.list_workflows(name=GENERATION, start_time=_iso(since_s))
        found: list[RunStarted] = []
        for row in rows:
            job = read_job(row)
            # One that ended before its run was dispatched has spent nothing.
            spent = row.status in UNFINISHED or _read_end(row).dispatched
            if job and job.repository.lower() == repository.lower() and spent:
                at_s = (row.created_at or 0) / 1000.0  # DBOS keeps milliseconds
                found.append(RunStarted(sender=job.cause.sender, at_s=at_s))
        return found

    def request(self, request_id: str) -> Request | None:
        rows = DBOS.list_workflows(name=GENERATION, workflow_ids=[request_id])
        return _read_request(rows[0]) if rows else None

    def standing(self, request_id: str) -> Standing | None:
        known = DBOS.get_event(request_id, STANDING, timeout_seconds=0)
        return Standing.model_validate(known) if known is not None else None

    def gathered(self, request_id: str, timeout_s: float) -> tuple[int, ...]:
        known = DBOS.get_event(request_id, GATHERED, timeout_seconds=timeout_s)
        return tuple(known or ())

    def run_of(self, request_id: str) -> RunOf:
        rows = DBOS.list_workflows(name=GENERATION, workflow_ids=[request_id], load_output=False)
        job = read_job(rows[0]) if rows else None
        if job is None:
            return RunOf()
        if rows[0].status not in UNFINISHED:
            return RunOf(ended=True)
        document = DBOS.get_event(request_id, RUN, timeout_seconds=0)
        run = Dispatched.model_validate(document) if document is not None else None
        return RunOf(repository=job.repository, run=run)


def read_job(row: WorkflowStatus) -> Job | None:
    try:
        return Job.model_validate(row.input["args"][0]) if row.input else None
    except (LookupError, ValidationError):
        return None


def _read_delivery(row: WorkflowStatus) -> Delivery | None:
    try:
        return Delivery.model_validate(row.input["args"][0]) if row.input else None
    except (LookupError, ValidationError):
        return None


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def _read_request(row: WorkflowStatus) -> Request | None:
    job = read_job(row)
    if job is None:
        return None
    ended = _read_end(row) if row.status not in UNFINISHED else None
    return Request(job=job, opened_s=(row.created_at or 0) / 1000.0, ended=ended)


def _read_end(row: WorkflowStatus) -> Ended:
    """The end of a request; of one that DBOS itself ended, that its run may have been started."""
    try:
        return Ended.model_validate(row.output)
    except ValidationError:
        return Ended(end="failed", text="", summary="", dispatched=True)
