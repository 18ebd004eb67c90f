"""Durable execution with DBOS: the database, the two workflows, and the steps inside them.

Owns everything DBOS; no other module imports it. What it stores is plain JSON, so that a database
written by one version is read by the next.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_error
from pydantic import TypeAdapter, ValidationError

from bot import logs
from bot import steps as step
from bot.metrics import Backlog
from bot.progress import RunOf
from bot.reception import receive
from bot.reconcile import GRACE_S, Search
from bot.records import (
    Delivery,
    Dispatched,
    Ended,
    Job,
    Note,
    Request,
    RunNews,
    RunStarted,
    Standing,
    VerifyJob,
)
from bot.replicas import Replica
from bot.right_of_way import RightOfWay
from bot.settings import Settings
from bot.tools import Tools
from bot.verification import verification
from bot.workflow import abandon, generation

R = TypeVar("R")
log = logging.getLogger(__name__)
# Pinned: DBOS recovers what the same version started, and its default changes with the code.
APPLICATION_VERSION = "1"
_GENERATION, _DELIVERY, _VERIFICATION = "generation", "delivery", "verification"
_SEARCH = "search"
_NOTE_TOPIC, _PROGRESS_TOPIC = "note", "progress"
_STANDING, _GATHERED, _RUN = "standing", "gathered", "run"
# At a time; what is left is read at the next look.
_MOST_NEWS = 100
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
_NOTICE_INTERVAL_S = 0.1
_QUEUE = "deliveries"
_QUEUE_INTERVAL_S = 0.05
# The one process of a SQLite database is always the same one, and takes up its own work at start.
_ALONE = "local"


class DbosSteps:
    """`Steps` inside a DBOS workflow."""

    def __init__(self, patience: step.Patience, right_of_way: RightOfWay, settle_s: float) -> None:
        """One for each execution of a workflow; `settle_s` is how far GitHub's lists may lag."""
        self._patience = patience
        self._right_of_way = right_of_way
        self._settle_s = settle_s

    def run(self, name: str, act: Callable[[], R], kind: type[R]) -> R:
        adapter = TypeAdapter(kind)
        record = self._record(name, lambda: adapter.dump_python(act(), mode="json"))
        return adapter.validate_python(step.outcome(record))

    def do(self, name: str, act: Callable[[], None]) -> None:
        step.outcome(self._record(name, act))

    def wait(self, timeout_s: float) -> Note | None:
        note = DBOS.recv(_NOTE_TOPIC, timeout_seconds=timeout_s)
        return Note.model_validate(note) if note is not None else None

    def pause(self, seconds: float) -> None:
        DBOS.sleep(seconds)

    def stand(self, standing: Standing) -> None:
        DBOS.set_event(_STANDING, standing.model_dump(mode="json"))

    def announce_gathered(self, review_ids: tuple[int, ...]) -> None:
        DBOS.set_event(_GATHERED, list(review_ids))

    def announce(self, run: Dispatched) -> None:
        DBOS.set_event(_RUN, run.model_dump(mode="json"))

    def news(self) -> list[RunNews]:
        found: list[RunNews] = []
        while len(found) < _MOST_NEWS:
            message = DBOS.recv(_PROGRESS_TOPIC, timeout_seconds=0)
            if message is None:
                break
            found.append(RunNews.model_validate(message))
        return found

    def _record(self, name: str, act: Callable[[], Any]) -> dict[str, Any]:
        workflow_id = DBOS.workflow_id or ""

        def perform() -> dict[str, Any]:
            self._settle(workflow_id)
            record = step.perform(workflow_id, name, act, self._patience)
            # Here and not before: DBOS now writes the result, and the database has one writer.
            self._right_of_way.give_way()
            return record

        return DBOS.run_step({"name": name}, perform)

    def _settle(self, workflow_id: str) -> None:
        """Once, where another process began on this workflow: let GitHub's lists catch up.

        What that process did last, it did just now, and a list that lacks it makes a second one.
        """
        settle_s, self._settle_s = self._settle_s, 0.0
        if not settle_s:
            return
        status = DBOS.get_workflow_status(workflow_id)
        if status is not None and (status.recovery_attempts or 0) > 1:
            self._patience.sleep(settle_s)


class Durable:
    """The service's memory: takes deliveries, runs requests, and goes on after a crash.

    Implements `reception.Requests`. One at a time in a process, as DBOS is; `open` comes first.
    """

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._choosing = threading.Lock()
        self._replica = self._make_replica() if settings.has_replicas() else None
        self.right_of_way = RightOfWay()
        self._closing = threading.Event()
        self._clock: threading.Thread | None = None
        patience = step.Patience(total_s=settings.github_patience_s, sleep=time.sleep)

        def steps() -> DbosSteps:
            return DbosSteps(patience, self.right_of_way, settings.run_lookup_grace_s)

        @DBOS.workflow(name=_GENERATION)
        def run_generation(document: dict[str, Any]) -> dict[str, Any]:
            job = Job.model_validate(document)
            with logs.bound(request_id=job.request_id):
                ended = self._generate(steps(), tools, job)
            tools.metrics.ended(ended.end)
            return ended.model_dump(mode="json")

        @DBOS.workflow(name=_DELIVERY)
        def run_delivery(document: dict[str, Any]) -> None:
            delivery = Delivery.model_validate(document)
            self.right_of_way.give_way()
            with logs.bound(delivery_id=delivery.delivery_id):
                receive(steps(), tools, self, delivery)

        @DBOS.workflow(name=_SEARCH)
        def run_search() -> None:
            grace_s = min(GRACE_S, settings.reconcile_interval_s)
            with logs.bound(search_id=DBOS.workflow_id or ""):
                Search(steps=steps(), tools=tools, known=self, grace_s=grace_s).run()

        self._run_search = run_search

        @DBOS.workflow(name=_VERIFICATION)
        def run_verification(document: dict[str, Any]) -> None:
            job = VerifyJob.model_validate(document)
            with logs.bound(request_id=job.request_id):
                verification(steps(), tools, job)

        self._run_verification = run_verification
        self._run_generation = run_generation
        self._run_delivery = run_delivery

    @staticmethod
    def _generate(steps: DbosSteps, tools: Tools, job: Job) -> Ended:
        try:
            return generation(steps, tools, job)
        except dbos_error.DBOSException:
            raise
        except Exception:
            # The edge of a request: a fault of ours ends it, and the user is told so.
            log.exception("request %s failed", job.request_id)
            return abandon(steps, tools, job)

    def open(self) -> None:
        """Open the database, and take up what an earlier process left unfinished."""
        if not self._settings.database_url:
            self._settings.state_dir.mkdir(parents=True, exist_ok=True)
            _write_ahead(self._settings.state_dir / "kernelwright.sqlite")
        config: DBOSConfig = {
            "name": "kernelwright",
            "system_database_url": self._settings.system_database_url(),
            "application_version": APPLICATION_VERSION,
            "executor_id": self._replica.replica_id if self._replica else _ALONE,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": _NOTICE_INTERVAL_S,
        }
        if self._replica:
            self._replica.join()
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._settings.deliveries_at_once,
            polling_interval_sec=_QUEUE_INTERVAL_S,
        )
        if self._replica:
            self._replica.watch()
        self._clock = threading.Thread(target=self._search_by_the_clock, daemon=True)
        self._clock.start()

    def close(self) -> None:
        """Let go of the database. What is unfinished goes on at the next start, or elsewhere."""
        self._closing.set()
        if self._clock is not None:
            self._clock.join()
        if self._replica:
            # First: while DBOS still runs here, nobody else may begin on the same work.
            self._replica.stop_watching()
        DBOS.destroy(destroy_registry=True)
        if self._replica:
            self._replica.leave()

    def _make_replica(self) -> Replica:
        return Replica(
            self._settings.system_database_url(),
            f"replica-{uuid.uuid4()}",
            interval_s=self._settings.replica_interval_s,
            owners=_owners,
            take_over=_take_over,
        )

    def _search_by_the_clock(self) -> None:
        """One search a time slot, whichever replica is first: the slot is the workflow's id."""
        interval_s = self._settings.reconcile_interval_s
        while not self._closing.wait(interval_s - time.time() % interval_s):
            try:
                self._search(f"{_SEARCH}-{round(time.time() / interval_s)}")
            except Exception:
                # The edge of this thread: the database may be away, and comes back.
                log.exception("the search for what got lost could not be started")

    def _search(self, workflow_id: str) -> None:
        # A search over many repositories may take longer than a slot: one at a time.
        running = DBOS.list_workflows(
            name=_SEARCH, status=_UNFINISHED, limit=1, load_input=False, load_output=False
        )
        if not running:
            with SetWorkflowID(workflow_id):
                DBOS.start_workflow(self._run_search)

    def is_ready(self) -> bool:
        """Whether the database answers."""
        try:
            DBOS.list_workflows(limit=1, load_input=False, load_output=False)
        except Exception:
            # The edge of a health check: any reason makes the service not ready.
            log.exception("the database does not answer")
            return False
        return True

    def backlog(self) -> Backlog:
        """How many workflows wait and how many run, on all replicas together."""
        rows = DBOS.list_workflows(status=_UNFINISHED, load_input=False, load_output=False)
        states = (("running" if row.status == "PENDING" else "waiting", row.name) for row in rows)
        return Counter((name, state) for state, name in states)

    def accept(self, delivery: Delivery) -> None:
        """Keep a delivery, to be worked on soon. Nothing where the same one was kept before.

        One insert, and no thread: a burst waits in the database, not in this process.
        """
        with SetWorkflowID(f"{_DELIVERY}-{delivery.delivery_id}"):
            DBOS.enqueue_workflow(_QUEUE, self._run_delivery, delivery.model_dump(mode="json"))

    def choosing(self) -> AbstractContextManager[object]:
        return self._replica.choosing() if self._replica else self._choosing

    def active(self, repository: str, issue_number: int) -> str | None:
        rows = DBOS.list_workflows(name=_GENERATION, status=_UNFINISHED, load_output=False)
        for row in rows:
            job = _read_job(row)
            if job and (job.repository, job.issue_number) == (repository, issue_number):
                return job.request_id
        return None

    def ended(self, request_ids: Sequence[str]) -> dict[str, Ended]:
        ids = list(request_ids)
        rows = DBOS.list_workflows(name=_GENERATION, workflow_ids=ids, load_input=False)
        return {row.workflow_id: _read_end(row) for row in rows}

    def latest(self, repository: str, issue_number: int) -> Request | None:
        rows = DBOS.list_workflows(name=_GENERATION, sort_desc=True)
        for row in rows:
            job = _read_job(row)
            if job and (job.repository, job.issue_number) == (repository, issue_number):
                return _read_request(row)
        return None

    def runs_since(self, repository: str, since_s: float) -> list[RunStarted]:
        start = datetime.fromtimestamp(since_s, UTC).isoformat()
        rows = DBOS.list_workflows(name=_GENERATION, start_time=start)
        found: list[RunStarted] = []
        for row in rows:
            job = _read_job(row)
            # One that ended before its run was dispatched has spent nothing.
            spent = row.status in _UNFINISHED or _read_end(row).dispatched
            if job and job.repository.lower() == repository.lower() and spent:
                at_s = (row.created_at or 0) / 1000.0  # DBOS keeps milliseconds
                found.append(RunStarted(sender=job.cause.sender, at_s=at_s))
        return found

    def request(self, request_id: str) -> Request | None:
        rows = DBOS.list_workflows(name=_GENERATION, workflow_ids=[request_id])
        return _read_request(rows[0]) if rows else None

    def standing(self, request_id: str) -> Standing | None:
        known = DBOS.get_event(request_id, _STANDING, timeout_seconds=0)
        return Standing.model_validate(known) if known is not None else None

    def gathered(self, request_id: str, timeout_s: float) -> tuple[int, ...]:
        known = DBOS.get_event(request_id, _GATHERED, timeout_seconds=timeout_s)
        return tuple(known or ())

    def start(self, job: Job) -> bool:
        document = job.model_dump(mode="json")
        with SetWorkflowID(job.request_id):
            DBOS.start_workflow(self._run_generation, document)
        # Another replica may have chosen the same id for other words: the first one is kept.
        return bool(DBOS.run_step({"name": "kept"}, self._is_kept, document))

    @staticmethod
    def _is_kept(document: dict[str, Any]) -> bool:
        ids = [document["request_id"]]
        return any(
            _read_job(row) == Job.model_validate(document)
            for row in DBOS.list_workflows(workflow_ids=ids, load_output=False)
        )

    def start_verification(self, job: VerifyJob) -> None:
        with SetWorkflowID(job.request_id):
            DBOS.start_workflow(self._run_verification, job.model_dump(mode="json"))

    def tell(self, request_id: str, note: Note, key: str) -> None:
        try:
            document = note.model_dump(mode="json")
            DBOS.send(request_id, document, _NOTE_TOPIC, idempotency_key=key)
        except dbos_error.DBOSNonExistentWorkflowError:
            log.info("%s for %s, which is no request of this service", note.kind, request_id)

    def run_of(self, request_id: str) -> RunOf:
        rows = DBOS.list_workflows(name=_GENERATION, workflow_ids=[request_id], load_output=False)
        job = _read_job(rows[0]) if rows else None
        if job is None:
            return RunOf()
        if rows[0].status not in _UNFINISHED:
            return RunOf(ended=True)
        document = DBOS.get_event(request_id, _RUN, timeout_seconds=0)
        run = Dispatched.model_validate(document) if document is not None else None
        return RunOf(repository=job.repository, run=run)

    def pass_on(self, request_id: str, news: RunNews) -> None:
        key = f"{request_id}-{news.attempt}-{news.progress.at_s}"
        try:
            DBOS.send(
                request_id, news.model_dump(mode="json"), _PROGRESS_TOPIC, idempotency_key=key
            )
        except dbos_error.DBOSNonExistentWorkflowError:
            log.info("%s was deleted while its run was telling of itself", request_id)


def _write_ahead(file: Path) -> None:
    """Readers beside the writer, and one wait for the disk a commit instead of three."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def _owners() -> set[str]:
    """The replicas that have unfinished work, alive or not."""
    rows = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    return {row.executor_id for row in rows if row.executor_id}


def _take_over(replica_id: str) -> None:
    # DBOS's own recovery, which its control plane calls in the same case; it has no public name.
    # It moves only rows that are still that replica's, so doing it twice does nothing.
    DBOS._recover_pending_workflows([replica_id])


def _read_job(row: WorkflowStatus) -> Job | None:
    try:
        return Job.model_validate(row.input["args"][0]) if row.input else None
    except (LookupError, ValidationError):
        return None


def _read_request(row: WorkflowStatus) -> Request | None:
    job = _read_job(row)
    if job is None:
        return None
    ended = _read_end(row) if row.status not in _UNFINISHED else None
    return Request(job=job, opened_s=(row.created_at or 0) / 1000.0, ended=ended)


def _read_end(row: WorkflowStatus) -> Ended:
    """The end of a request; of one that DBOS itself ended, that its run may have been started."""
    try:
        return Ended.model_validate(row.output)
    except ValidationError:
        return Ended(end="failed", text="", summary="", dispatched=True)
