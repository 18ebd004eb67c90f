"""The service's HTTP face, with a real database and the fake GitHub."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.app import create_app
from bot.settings import Settings
from bot.webhook import MAX_BODY_BYTES

SECRET = "s3cret"
WAIT_S = 60.0
LABELED = {
    "action": "labeled",
    "issue": {"number": 7, "labels": [{"name": "kernel-request"}]},
    "label": {"name": "kernel-request"},
    "repository": {"full_name": "octo/kernels"},
    "sender": {"login": "mona", "type": "User"},
    "installation": {"id": 5},
}


@pytest.fixture
def client(fake: Any, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(
        app_id="1", webhook_secret=SECRET, private_key="unused", state_dir=tmp_path,
        poll_interval_s=0.1, run_lookup_grace_s=0, review_window_s=0.0,
    )  # fmt: skip
    with TestClient(create_app(settings, fake)) as made:
        yield made


@pytest.fixture
def workflows(tmp_path: Path) -> Callable[[], list[tuple[str, str]]]:
    """Id and status of every workflow that was asked for; verifications follow by themselves."""
    query = "SELECT workflow_uuid, status FROM workflow_status WHERE name != 'verification'"

    def read() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(tmp_path / "kernelwright.sqlite", timeout=10)) as db:
            return db.execute(query).fetchall()

    return read


def send(
    client: TestClient,
    payload: Any,
    event: str = "issues",
    delivery: str | None = "d-1",
    **headers: str,
) -> Any:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    sent = {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": event, **headers}
    if delivery is not None:
        sent["X-GitHub-Delivery"] = delivery
    return client.post("/webhook", content=body, headers={k: v for k, v in sent.items() if v})


def until(condition: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.02)


def finished(read: Callable[[], list[tuple[str, str]]], count: int) -> bool:
    rows = read()
    return len(rows) == count and all(status == "SUCCESS" for _, status in rows)


def test_a_signed_label_is_kept_answered_and_carried_out(
    client: TestClient, fake: Any, workflows: Any
) -> None:
    answer = send(client, LABELED)
    assert answer.status_code == 202
    until(lambda: finished(workflows, 2))
    assert len(fake.pulls) == 1
    assert {name[:3] for name, _ in workflows()} == {"del", "kw-"}


def test_a_redelivery_is_no_second_request(client: TestClient, fake: Any, workflows: Any) -> None:
    for _ in range(3):
        assert send(client, LABELED).status_code == 202
    until(lambda: finished(workflows, 2))
    assert len(fake.runs) == 1
    assert len(fake.threads[7]) == 1


def test_the_delivery_is_in_the_database_before_it_is_answered(
    client: TestClient, fake: Any, workflows: Any
) -> None:
    send(client, LABELED, delivery="d-42")
    assert "delivery-d-42" in [name for name, _ in workflows()]
    until(lambda: finished(workflows, 2))


@pytest.mark.parametrize("signature", ["", "sha256=" + "0" * 64, "sha1=abc", "nonsense"])
def test_a_wrong_or_missing_signature_is_refused_and_nothing_is_kept(
    client: TestClient, workflows: Any, signature: str
) -> None:
    assert send(client, LABELED, **{"X-Hub-Signature-256": signature}).status_code == 401
    assert workflows() == []


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b"not json", "issues"),
        ({"zen": "Keep it logically awesome."}, "ping"),
        (LABELED, "an_event_of_next_year"),
        ({**LABELED, "label": {"name": "kernel-request:done"}}, "issues"),
        ({**LABELED, "sender": {"login": "kernelwright[bot]", "type": "Bot"}}, "issues"),
    ],
    ids=["no json", "ping", "unknown event", "a label of state", "our own"],
)
def test_what_is_not_for_us_is_quiet(
    client: TestClient, workflows: Any, payload: Any, event: str
) -> None:
    answer = send(client, payload, event)
    assert answer.status_code == 204
    assert answer.content == b""
    assert workflows() == []


def test_a_body_above_githubs_cap_is_refused_unread(client: TestClient, workflows: Any) -> None:
    assert send(client, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert workflows() == []


@pytest.mark.parametrize("delivery", [None, "", "a b", "x" * 200])
def test_a_delivery_without_a_proper_id_is_refused(
    client: TestClient, workflows: Any, delivery: str | None
) -> None:
    assert send(client, LABELED, delivery=delivery).status_code == 400
    assert workflows() == []


def test_a_workflow_run_wakes_the_request_that_waits(
    client: TestClient, fake: Any, workflows: Any
) -> None:
    succeed = fake.on_dispatch

    def start(inputs: Any) -> Any:
        return [("queued", None)], succeed(inputs)[1]

    fake.on_dispatch = start
    send(client, LABELED)
    until(lambda: fake.runs)
    (run,) = fake.runs.values()
    run.states[:] = [("completed", "success")]
    title = f"kernelwright {run.inputs['request_id']}"
    moved = {
        "action": "completed",
        "workflow_run": {"id": run.run.id, "display_title": title},
        "repository": LABELED["repository"],
        "sender": {"login": "kernelwright[bot]", "type": "Bot"},
    }
    assert send(client, moved, "workflow_run", delivery="d-2").status_code == 202
    until(lambda: finished(workflows, 3))
    assert len(fake.pulls) == 1


def test_a_run_of_nobody_wakes_nobody(client: TestClient, workflows: Any) -> None:
    moved = {
        "action": "completed",
        "workflow_run": {"id": 1, "display_title": "kernelwright kw-0123456789abcdef"},
        "repository": LABELED["repository"],
        "sender": {"login": "x", "type": "User"},
    }
    assert send(client, moved, "workflow_run").status_code == 202
    until(lambda: finished(workflows, 1))


def test_a_second_label_while_a_run_is_under_way_is_answered_so(
    client: TestClient, fake: Any, workflows: Any
) -> None:
    succeed = fake.on_dispatch
    fake.on_dispatch = lambda inputs: ([("in_progress", None)], succeed(inputs)[1])
    send(client, LABELED)
    until(lambda: fake.runs)
    send(client, LABELED, delivery="d-2")
    until(lambda: "already under way" in fake.said(7))
    (run,) = fake.runs.values()
    run.states[:] = [("completed", "success")]
    until(lambda: finished(workflows, 3))
    assert len(fake.pulls) == 1


def test_review_after_the_pull_request_makes_the_second_commit(
    client: TestClient, fake: Any, workflows: Any
) -> None:
    send(client, LABELED)
    until(lambda: finished(workflows, 2))
    (pull,) = fake.open_pulls()
    reviewed = {
        "action": "submitted",
        "review": {"id": 3, "state": "changes_requested", "body": "Faster."},
        "pull_request": {
            "number": pull.number,
            "user": {"login": "kernelwright[bot]", "type": "Bot"},
            "head": {"ref": pull.head_ref, "repo": {"full_name": "octo/kernels"}},
        },
        "repository": LABELED["repository"],
        "sender": LABELED["sender"],
    }
    send(client, reviewed, "pull_request_review", delivery="d-2")
    # The delivery, the round that it was handed to, and the request.
    until(lambda: finished(workflows, 5))
    assert len(fake.history("kernel/7-add-one")) == 3
    assert "The kernel has changed" in fake.said(pull.number)


def test_health_and_readiness(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/openapi.json").status_code == 404


def test_a_lost_database_makes_the_service_not_ready(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> Any:
        raise OSError("disk gone")

    monkeypatch.setattr("dbos.DBOS.list_workflows", fail)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
