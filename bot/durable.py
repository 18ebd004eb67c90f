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
from pathlib import Path
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_error
from pydantic import TypeAdapter, ValidationError

from bot import logs
from bot import steps as step
from bot.metrics import Backlog
from bot.reception import receive
from bot.records import Delivery, Ended, Job
from bot.replicas import Replica
from bot.right_of_way import RightOfWay
from bot.settings import Settings
from bot.tools import Tools
from bot.workflow import abandon, generation

R = TypeVar("R")
log = logging.getLogger(__name__)
# Pinned: DBOS recovers what the same version started, and its default changes with the code.
APPLICATION_VERSION = "1"
_GENERATION, _DELIVERY = "generation", "delivery"
_RUN_TOPIC = "run"
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

    def wait(self, timeout_s: float) -> None:
        DBOS.recv(_RUN_TOPIC, timeout_seconds=timeout_s)

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

    def close(self) -> None:
        """Let go of the database. What is unfinished goes on at the next start, or elsewhere."""
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

    def start(self, job: Job) -> None:
        with SetWorkflowID(job.request_id):
            DBOS.start_workflow(self._run_generation, job.model_dump(mode="json"))

    def wake(self, request_id: str, key: str) -> None:
        try:
            DBOS.send(request_id, "moved", _RUN_TOPIC, idempotency_key=key)
        except dbos_error.DBOSNonExistentWorkflowError:
            log.info("a run of %s moved, which is no request of this service", request_id)


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


def _read_end(row: WorkflowStatus) -> Ended:
    """The end of a request; of one that DBOS itself ended, that its run may have been started."""
    try:
        return Ended.model_validate(row.output)
    except ValidationError:
        return Ended(end="failed", text="", summary="", dispatched=True)
