"""Durable execution with DBOS: the database, the two workflows, and the steps inside them.

Owns everything DBOS; no other module imports it. What it stores is plain JSON, so that a database
written by one version is read by the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_error
from pydantic import TypeAdapter, ValidationError

from bot import steps as step
from bot.progress import RunOf
from bot.reception import receive
from bot.records import Delivery, Dispatched, Ended, Heard, Job
from bot.settings import Settings
from bot.tools import Tools
from bot.workflow import abandon, generation

R = TypeVar("R")
log = logging.getLogger(__name__)
# Pinned: DBOS recovers what the same version started, and its default changes with the code.
APPLICATION_VERSION = "1"
_GENERATION, _DELIVERY = "generation", "delivery"
_RUN_TOPIC, _PROGRESS_TOPIC, _RUN_EVENT = "run", "progress", "run"
# At a time; what is left is heard at the next look.
_MOST_HEARD = 100
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
_NOTICE_INTERVAL_S = 0.1


class DbosSteps:
    """`Steps` inside a DBOS workflow."""

    def __init__(self, patience: step.Patience) -> None:
        self._patience = patience

    def run(self, name: str, act: Callable[[], R], kind: type[R]) -> R:
        adapter = TypeAdapter(kind)
        record = self._record(name, lambda: adapter.dump_python(act(), mode="json"))
        return adapter.validate_python(step.outcome(record))

    def do(self, name: str, act: Callable[[], None]) -> None:
        step.outcome(self._record(name, act))

    def wait(self, timeout_s: float) -> None:
        DBOS.recv(_RUN_TOPIC, timeout_seconds=timeout_s)

    def announce(self, run: Dispatched) -> None:
        DBOS.set_event(_RUN_EVENT, run.model_dump(mode="json"))

    def heard(self) -> list[Heard]:
        found: list[Heard] = []
        while len(found) < _MOST_HEARD:
            message = DBOS.recv(_PROGRESS_TOPIC, timeout_seconds=0)
            if message is None:
                break
            found.append(Heard.model_validate(message))
        return found

    def _record(self, name: str, act: Callable[[], Any]) -> dict[str, Any]:
        workflow_id = DBOS.workflow_id or ""
        return DBOS.run_step({"name": name}, step.perform, workflow_id, name, act, self._patience)


class Durable:
    """The service's memory: takes deliveries, runs requests, and goes on after a crash.

    Implements `reception.Requests` and `progress.Runs`. One at a time in a process, as DBOS is;
    `open` comes first.
    """

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._choosing = threading.Lock()
        steps = DbosSteps(step.Patience(total_s=settings.github_patience_s, sleep=time.sleep))

        @DBOS.workflow(name=_GENERATION)
        def run_generation(document: dict[str, Any]) -> dict[str, Any]:
            job = Job.model_validate(document)
            try:
                ended = generation(steps, tools, job)
            except dbos_error.DBOSException:
                raise
            except Exception:
                # The edge of a request: a fault of ours ends it, and the user is told so.
                log.exception("request %s failed", job.request_id)
                ended = abandon(steps, tools, job)
            return ended.model_dump(mode="json")

        @DBOS.workflow(name=_DELIVERY)
        def run_delivery(document: dict[str, Any]) -> None:
            receive(steps, tools, self, Delivery.model_validate(document))

        self._run_generation = run_generation
        self._run_delivery = run_delivery

    def open(self) -> None:
        """Open the database, and take up what an earlier process left unfinished."""
        if not self._settings.database_url:
            self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        config: DBOSConfig = {
            "name": "kernelwright",
            "system_database_url": self._settings.system_database_url(),
            "application_version": APPLICATION_VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": _NOTICE_INTERVAL_S,
        }
        DBOS(config=config)
        DBOS.launch()

    def close(self) -> None:
        """Let go of the database. What is unfinished goes on at the next start."""
        DBOS.destroy(destroy_registry=True)

    def is_ready(self) -> bool:
        """Whether the database answers."""
        try:
            DBOS.list_workflows(limit=1, load_input=False, load_output=False)
        except Exception:
            # The edge of a health check: any reason makes the service not ready.
            log.exception("the database does not answer")
            return False
        return True

    def accept(self, delivery: Delivery) -> None:
        """Keep a delivery and start on it. Nothing where the same one was kept before."""
        with SetWorkflowID(f"{_DELIVERY}-{delivery.delivery_id}"):
            DBOS.start_workflow(self._run_delivery, delivery.model_dump(mode="json"))

    def choosing(self) -> AbstractContextManager[object]:
        return self._choosing

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

    def run_of(self, request_id: str) -> RunOf:
        rows = DBOS.list_workflows(name=_GENERATION, workflow_ids=[request_id], load_output=False)
        job = _read_job(rows[0]) if rows else None
        if job is None:
            return RunOf()
        if rows[0].status not in _UNFINISHED:
            return RunOf(ended=True)
        document = DBOS.get_event(request_id, _RUN_EVENT, timeout_seconds=0)
        run = Dispatched.model_validate(document) if document is not None else None
        return RunOf(repository=job.repository, run=run)

    def tell(self, request_id: str, heard: Heard) -> None:
        key = f"{request_id}-{heard.attempt}-{heard.progress.at_s}"
        try:
            DBOS.send(
                request_id, heard.model_dump(mode="json"), _PROGRESS_TOPIC, idempotency_key=key
            )
        except dbos_error.DBOSNonExistentWorkflowError:
            log.info("%s was deleted while its run was telling of itself", request_id)


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
