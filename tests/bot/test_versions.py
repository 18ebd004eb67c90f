"""What another version of the workflows began: said, left alone, and gone on with by it later."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from bot.standin import Person, Repository, StandIn
from bot.versions import APPLICATION_VERSION

WAIT_S = 60.0


def until(condition: Callable[[], Any], service: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (service.state / "bot.log").read_text()
        time.sleep(0.05)


def relabel_version(service: Any, version: str) -> None:
    """Let everything that has not ended be of that version."""
    with closing(sqlite3.connect(service.state / "kernelwright.sqlite")) as database:
        database.execute(
            "UPDATE workflow_status SET application_version = ? WHERE status = 'PENDING'",
            (version,),
        )
        database.commit()


def heads(repository: Repository) -> list[str]:
    return sorted(issue.pull.head_ref for issue in repository.issues.values() if issue.pull)


def test_another_versions_work_is_said_and_waits_for_it(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start(kill=("after", "dispatch"))
    mona.label(mona.open_issue("kernel: add one", issue_body()), "kernel-request")
    assert service.wait() == -9
    relabel_version(service, "0")

    service.start()
    log = service.state / "bot.log"
    said = f"are of version 0, and this is version {APPLICATION_VERSION}"
    until(lambda: said in log.read_text(), service)
    # Others' requests go on meanwhile.
    number = mona.open_issue("kernel: add one", issue_body())
    mona.label(number, "kernel-request")
    until(lambda: heads(repository) == [f"kernel/{number}-add-one"], service)

    service.stop()
    relabel_version(service, APPLICATION_VERSION)
    service.start()
    service.until_idle(requests=2)
    assert heads(repository) == ["kernel/1-add-one", f"kernel/{number}-add-one"]
    assert len(repository.runs) == 2
    assert github.violations == []
