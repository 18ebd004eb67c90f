"""A burst of deliveries against a service in a process of its own, and what became of each."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg

FAKES = Path(__file__).parent
_START_S = 60.0
_DRAIN_S = 300.0
_ROWS = "SELECT workflow_uuid, name, status FROM {schema}workflow_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`answers` in the order of `sendings`; `kept` maps the id of a workflow to its status."""

    sendings: Sequence[Any]
    answers: Sequence[Any]
    kept: dict[str, str]
    comments: dict[int, int]
    heads: list[str]
    drained_s: float

    def latency_ms(self, share: float) -> float:
        """The acknowledgement latency below which that share of all answers lies."""
        ordered = sorted(answer.latency_s for answer in self.answers)
        return 1000.0 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def play(
    load: ModuleType, settings: dict[str, str], issue_body: str, *, count: int, rate_per_s: float
) -> Outcome:
    """Start the service, send the burst from another process, wait until all work is done."""
    sendings = load.burst(count)
    numbers = [*range(1, count + 1), *range(load.FIRST_REQUEST, load.FIRST_REQUEST + count)]
    log = Path(settings["KERNELWRIGHT_STATE_DIR"]) / "service.log"
    with log.open("wb") as stderr, subprocess.Popen(
        [sys.executable, str(FAKES / "loaded_service.py")], text=True, stderr=stderr,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **settings},
    ) as service:  # fmt: skip
        try:
            _say(service, {"numbers": numbers, "body": issue_body})
            port = settings["KERNELWRIGHT_PORT"]
            _await_ready(int(port), log)
            sender = [sys.executable, str(FAKES / "delivery_load.py"), port, str(count)]
            sent = subprocess.run(
                [*sender, str(rate_per_s)], stdout=subprocess.PIPE, check=True, text=True
            )
            answers = [load.Answer(**row) for row in json.loads(sent.stdout)]
            began_s = time.monotonic()
            kept = _drained(settings, log)
            drained_s = time.monotonic() - began_s
            assert service.stdout is not None
            _say(service, {})
            report = json.loads(service.stdout.readline())
        finally:
            service.kill()
    return Outcome(
        sendings=sendings, answers=answers, kept=kept, drained_s=drained_s,
        comments={int(number): count for number, count in report["comments"].items()},
        heads=report["heads"],
    )  # fmt: skip


def assert_exact(outcome: Outcome, first_request: int) -> None:
    """Every answer as it should be; nothing lost, nothing done twice, nothing forged done."""
    for sending, answer in zip(outcome.sendings, outcome.answers, strict=True):
        assert answer.status == sending.expected, sending
    of = {kind: {s.delivery_id for s in outcome.sendings if s.kind == kind} for kind in KINDS}
    deliveries = {id for id, _ in outcome.kept.items() if id.startswith("delivery-")}
    wanted = of["help"] | of["run"] | of["request"]
    assert deliveries == {f"delivery-{id}" for id in wanted}
    assert set(outcome.kept.values()) == {"SUCCESS"}
    # A request has a round, and its pull request's head a verification. The search for what got
    # lost goes by the clock: it may fall into the burst.
    kept = [id for id in outcome.kept if not id.startswith("search-")]
    assert len(kept) == len(wanted) + 2 * len(of["request"])
    numbers = {id: int(id.removeprefix("load-")) for id in wanted}
    answered = {number: 1 for id, number in numbers.items() if id in of["help"]}
    opened = {number for id, number in numbers.items() if id in of["request"]}
    expected = {number + 1: count for number, count in answered.items()}
    expected |= {first_request + number: 1 for number in opened}
    assert outcome.comments == expected
    branches = sorted(f"kernel/{first_request + number}-add-one" for number in opened)
    assert sorted(outcome.heads) == branches


KINDS = ("help", "run", "request", "idle", "forged")


def _say(service: subprocess.Popen[str], line: Any) -> None:
    assert service.stdin is not None
    service.stdin.write(json.dumps(line) + "\n")
    service.stdin.flush()


def _await_ready(port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_START_S).close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


def _drained(settings: dict[str, str], log: Path) -> dict[str, str]:
    """Every workflow's status, as soon as none is unfinished."""
    deadline_s = time.monotonic() + _DRAIN_S
    while time.monotonic() < deadline_s:
        rows = workflows(settings)
        if all(status not in ("PENDING", "ENQUEUED") for _, _, status in rows):
            return {id: status for id, _, status in rows}
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-10_000:])


def workflows(settings: dict[str, str]) -> list[tuple[str, str, str]]:
    """Id, name and status of every workflow that the service's database keeps."""
    url = settings.get("KERNELWRIGHT_DATABASE_URL")
    if url:
        with psycopg.connect(url) as session:
            return session.execute(_ROWS.format(schema="dbos.")).fetchall()  # type: ignore[arg-type]
    file = Path(settings["KERNELWRIGHT_STATE_DIR"]) / "kernelwright.sqlite"
    with closing(sqlite3.connect(file, timeout=30)) as database:
        return database.execute(_ROWS.format(schema="")).fetchall()
