"""`Steps` inside a DBOS workflow: results kept in the database, notes, and what others may see.

Owns the names under which a workflow hears and tells. Everything is plain JSON there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dbos import DBOS, PortableWorkflowError
from dbos import error as dbos_error
from pydantic import TypeAdapter

from bot import steps as step
from bot.records import Dispatched, Note, RunNews, Standing
from bot.right_of_way import RightOfWay

R = TypeVar("R")
NOTE_TOPIC, PROGRESS_TOPIC = "note", "progress"
STANDING, GATHERED, RUN = "standing", "gathered", "run"
# At a time; what is left is read at the next look.
_MOST_NEWS = 100


def send(workflow_id: str, document: dict[str, Any], topic: str, key: str) -> bool:
    """Leave a message to a workflow, once for a key. False where there is no such workflow."""
    try:
        DBOS.send(workflow_id, document, topic, idempotency_key=key)
    except dbos_error.DBOSNonExistentWorkflowError:
        return False
    except PortableWorkflowError as error:
        # The same once more: DBOS keeps the error of a send, and a replay raises what was kept.
        if error.name != dbos_error.DBOSNonExistentWorkflowError.__name__:
            raise
        return False
    return True


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
        note = DBOS.recv(NOTE_TOPIC, timeout_seconds=timeout_s)
        return Note.model_validate(note) if note is not None else None

    def pause(self, seconds: float) -> None:
        DBOS.sleep(seconds)

    def stand(self, standing: Standing) -> None:
        DBOS.set_event(STANDING, standing.model_dump(mode="json"))

    def announce_gathered(self, review_ids: tuple[int, ...]) -> None:
        DBOS.set_event(GATHERED, list(review_ids))

    def announce(self, run: Dispatched) -> None:
        DBOS.set_event(RUN, run.model_dump(mode="json"))

    def news(self) -> list[RunNews]:
        found: list[RunNews] = []
        while len(found) < _MOST_NEWS:
            message = DBOS.recv(PROGRESS_TOPIC, timeout_seconds=0)
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
