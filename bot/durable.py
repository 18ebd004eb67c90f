"""Durable execution with DBOS: the database, the workflows and their queue.

With `durable_steps`, `kept_requests` and `versions` the only module that imports DBOS. What is
stored is plain JSON, so that a database written by one version is read by the next.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from dbos import error as dbos_error

from bot import logs, versions
from bot import steps as step
from bot.durable_steps import NOTE_TOPIC, PROGRESS_TOPIC, DbosSteps, send
from bot.kept_requests import DELIVERY, GENERATION, UNFINISHED, KeptRequests, read_job
from bot.metrics import Backlog
from bot.nightly import take_night
from bot.nightly_records import NightJob
from bot.reception import receive
from bot.reconcile import GRACE_S, Search
from bot.records import Delivery, Ended, Job, Note, Regenerate, RunNews, VerifyJob
from bot.replicas import Replica
from bot.right_of_way import RightOfWay
from bot.settings import Settings
from bot.tools import Tools
from bot.verification import verification, verification_of
from bot.workflow import abandon, generation

log = logging.getLogger(__name__)
_ROUND, _VERIFICATION, _SEARCH = "round", "verification", "search"
_NIGHT = "night"
_NOTICE_INTERVAL_S = 0.1
_QUEUE = "deliveries"
_QUEUE_INTERVAL_S = 0.05
# The one process of a SQLite database is always the same one, and takes up its own work at start.
_ALONE = "local"


class Durable(KeptRequests):
    """The service's memory: takes deliveries, runs requests, and goes on after a crash.

    Implements `desk.Requests`. One at a time in a process, as DBOS is; `open` comes first.
    """

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._choosing = threading.Lock()
        self._replica = self._make_replica() if settings.has_replicas() else None
        self.right_of_way = RightOfWay()
        self._closing = threading.Event()
        self._clock: threading.Thread | None = None
        self._register()

    def _register(self) -> None:
        """Tell DBOS of the workflows, by the names under which it recovers them."""

        @DBOS.workflow(name=GENERATION)
        def run_generation(document: dict[str, Any]) -> dict[str, Any]:
            job = Job.model_validate(document)
            with logs.bound(request_id=job.request_id):
                ended = self._generate(self._steps(), self._tools, job)
            self._tools.metrics.ended(ended.end)
            again = verification_of(job, ended, self._tools.login)
            if again is not None:
                self.start_verification(again)
            return ended.model_dump(mode="json")

        @DBOS.workflow(name=DELIVERY)
        def run_delivery(document: dict[str, Any]) -> None:
            delivery = Delivery.model_validate(document)
            self.right_of_way.give_way()
            if not isinstance(delivery.decision, Regenerate):
                self._work_on(delivery)
                return
            # Newer words may have to wait for an older run: not in the queue, whose few places are
            # what every other delivery waits for.
            with SetWorkflowID(f"{_ROUND}-{delivery.delivery_id}"):
                DBOS.start_workflow(run_round, document)

        @DBOS.workflow(name=_ROUND)
        def run_round(document: dict[str, Any]) -> None:
            self._work_on(Delivery.model_validate(document))

        @DBOS.workflow(name=_SEARCH)
        def run_search() -> None:
            grace_s = min(GRACE_S, self._settings.reconcile_interval_s)
            with logs.bound(search_id=DBOS.workflow_id or ""):
                Search(steps=self._steps(), tools=self._tools, known=self, grace_s=grace_s).run()

        @DBOS.workflow(name=_VERIFICATION)
        def run_verification(document: dict[str, Any]) -> None:
            job = VerifyJob.model_validate(document)
            with logs.bound(request_id=job.request_id):
                verification(self._steps(), self._tools, job)

        @DBOS.workflow(name=_NIGHT)
        def run_night(document: dict[str, Any]) -> None:
            job = NightJob.model_validate(document)
            with logs.bound(night_run=str(job.run_id)):
                take_night(self._steps(), self._tools, job, self.accept)

        self._run_generation = run_generation
        self._run_night = run_night
        self._run_delivery = run_delivery
        self._run_search = run_search
        self._run_verification = run_verification

    def _steps(self) -> DbosSteps:
        """New for each execution of a workflow: they know whether another process began on it."""
        patience = step.Patience(total_s=self._settings.github_patience_s, sleep=time.sleep)
        return DbosSteps(patience, self.right_of_way, self._settings.run_lookup_grace_s)

    def _work_on(self, delivery: Delivery) -> None:
        with logs.bound(delivery_id=delivery.delivery_id):
            receive(self._steps(), self._tools, self, delivery)

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
            "application_version": versions.APPLICATION_VERSION,
            "executor_id": self._replica.replica_id if self._replica else _ALONE,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": _NOTICE_INTERVAL_S,
        }
        if self._replica:
            self._replica.join()
        DBOS(config=config)
        DBOS.launch()
        versions.left_behind()
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
            owners=versions.owners,
            take_over=versions.take_over,
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
        if not versions.unfinished(_SEARCH):
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
        rows = DBOS.list_workflows(status=UNFINISHED, load_input=False, load_output=False)
        states = (("running" if row.status == "PENDING" else "waiting", row.name) for row in rows)
        return Counter((name, state) for state, name in states)

    def accept(self, delivery: Delivery) -> None:
        """Keep a delivery, to be worked on soon. Nothing where the same one was kept before.

        One insert, and no thread: a burst waits in the database, not in this process.
        """
        with SetWorkflowID(f"{DELIVERY}-{delivery.delivery_id}"):
            DBOS.enqueue_workflow(_QUEUE, self._run_delivery, delivery.model_dump(mode="json"))

    def choosing(self) -> AbstractContextManager[object]:
        return self._replica.choosing() if self._replica else self._choosing

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
            read_job(row) == Job.model_validate(document)
            for row in DBOS.list_workflows(workflow_ids=ids, load_output=False)
        )

    def start_verification(self, job: VerifyJob) -> None:
        with SetWorkflowID(job.request_id):
            DBOS.start_workflow(self._run_verification, job.model_dump(mode="json"))

    def start_night(self, job: NightJob) -> None:
        with SetWorkflowID(f"{_NIGHT}-{job.run_id}-{job.attempt}"):
            DBOS.start_workflow(self._run_night, job.model_dump(mode="json"))

    def tell(self, request_id: str, note: Note, key: str) -> None:
        if not send(request_id, note.model_dump(mode="json"), NOTE_TOPIC, key):
            log.info("%s for %s, which is no request of this service", note.kind, request_id)

    def pass_on(self, request_id: str, news: RunNews) -> None:
        key = f"{request_id}-{news.attempt}-{news.progress.at_s}"
        if not send(request_id, news.model_dump(mode="json"), PROGRESS_TOPIC, key):
            log.info("%s was deleted while its run was telling of itself", request_id)


def _write_ahead(file: Path) -> None:
    """Readers beside the writer, and one wait for the disk a commit instead of three."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")
