"""`POST /progress` through the real service and its database, with tokens of a real issuer."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.app import create_app
from bot.settings import Settings
from bot.standin import StandIn
from runner.run_progress import MAX_PROGRESS_BYTES

SECRET = "s3cret"
WAIT_S = 30.0
UNKNOWN_ID = "kw-ffffffffffffffff"
LABELED = {
    "action": "labeled",
    "issue": {"number": 7, "labels": [{"name": "kernel-request"}]},
    "label": {"name": "kernel-request"},
    "repository": {"full_name": "octo/kernels"},
    "sender": {"login": "mona", "type": "User"},
    "installation": {"id": 5},
}
Post = Callable[..., Any]


def until(condition: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.01)


@pytest.fixture
def service(fake: Any, github: StandIn, tmp_path: Path) -> Iterator[TestClient]:
    """A service with one request, whose run goes on until the test ends it."""
    succeed = fake.on_dispatch
    fake.on_dispatch = lambda inputs: ([("in_progress", None)], succeed(inputs)[1])
    settings = Settings(
        app_id="1", webhook_secret=SECRET, private_key="unused", state_dir=tmp_path,
        poll_interval_s=0.1, run_lookup_grace_s=0.0, progress_pace_s=0.05,
        oidc_issuer=github.issuer.url,
    )  # fmt: skip
    body = json.dumps(LABELED).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": "d-1",
    }
    with TestClient(create_app(settings, fake)) as made:
        assert made.post("/webhook", content=body, headers=headers).status_code == 202
        yield made
        end(fake)
        until(lambda: fake.pulls)


@pytest.fixture
def client(service: TestClient, fake: Any) -> TestClient:
    """The service, its request's run under way and shown as such."""
    until(lambda: "running" in fake.said(7))
    return service


def end(fake: Any) -> None:
    (run,) = fake.runs.values()
    run.states[:] = [("completed", "success")]


@pytest.fixture
def post(client: TestClient, fake: Any, github: StandIn) -> Post:
    """Posts as the job of the one run; claims and fields can be changed."""
    (run,) = fake.runs.values()
    return poster(client, github, run.run.id, run.inputs["request_id"])


def poster(client: TestClient, github: StandIn, run_id: int, request_id: str) -> Post:
    def send(claims: Any = None, *, raw: bytes | None = None, **fields: Any) -> Any:
        repository = "octo/kernels"
        given = {
            "aud": "kernelwright",
            "repository": repository,
            "repository_id": "1",
            "workflow_ref": f"{repository}/.github/workflows/generate.yml@refs/heads/main",
            "event_name": "workflow_dispatch",
            "run_id": str(run_id),
            "run_attempt": "1",
            **(claims or {}),
        }
        document = {
            "request_id": request_id, "at_s": 1.0, "phase": "searching",
            "attempts": 41, "passed": 2, "left_s": 300.0, **fields,
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {github.issuer.sign(given)}"}
        content = json.dumps(document).encode() if raw is None else raw
        return client.post("/progress", content=content, headers=headers)

    return send


def test_the_jobs_words_are_in_the_one_comment_and_then_its_end(
    post: Post, fake: Any, client: TestClient
) -> None:
    assert post(attempts=41).status_code == 202
    until(lambda: "41 attempts, 2 passed" in fake.said(7))
    assert post(attempts=42, at_s=2.0).status_code == 202
    until(lambda: "42 attempts, 2 passed" in fake.said(7))
    assert len(fake.threads[7]) == 1

    end(fake)
    until(lambda: "pull request #" in fake.said(7))
    assert "attempts" not in fake.said(7)
    until(lambda: post(at_s=3.0).status_code == 409)


def test_every_refusal_has_its_status_and_changes_nothing(
    post: Post, fake: Any, client: TestClient
) -> None:
    before = fake.said(7)
    assert client.post("/progress", content=b"{}").status_code == 401
    assert client.post("/progress", content=b"{}").headers["WWW-Authenticate"] == "Bearer"
    assert post({"aud": "somebody"}).status_code == 401
    assert post({"repository": "eve/kernels"}).status_code == 403
    assert post({"run_id": "12"}).status_code == 403
    assert post(request_id=UNKNOWN_ID).status_code == 404
    assert post(surprise=1).status_code == 422
    flood = [post(at_s=-1.0) for _ in range(10)]
    assert flood[-1].status_code == 429
    assert flood[-1].headers["Retry-After"] == "5"
    assert client.get("/progress").status_code == 405
    assert fake.said(7) == before


@pytest.mark.parametrize("size", [MAX_PROGRESS_BYTES + 1, 1 << 20])
def test_a_large_body_is_not_read(post: Post, size: int) -> None:
    answer = post(raw=b" " * size)
    assert answer.status_code == 413
    assert str(MAX_PROGRESS_BYTES) in answer.json()["error"]


def test_an_old_post_is_refused_as_such(post: Post) -> None:
    assert post(at_s=5.0).status_code == 202
    assert post(at_s=5.0).status_code == 409
    assert post(at_s=4.0).status_code == 409


def test_a_request_that_is_not_dispatched_yet_has_no_run_and_keeps_nobody_waiting(
    fake: Any, github: StandIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dispatching, may_dispatch = threading.Event(), threading.Event()

    def before(name: str) -> None:
        if name == "dispatch":
            dispatching.set()
            may_dispatch.wait(WAIT_S)

    fake.before_call = before
    service: TestClient = request.getfixturevalue("service")
    assert dispatching.wait(WAIT_S)
    with closing(sqlite3.connect(tmp_path / "kernelwright.sqlite", timeout=10)) as db:
        rows = db.execute("SELECT workflow_uuid FROM workflow_status WHERE name = 'generation'")
        ((request_id,),) = rows.fetchall()
    began_s = time.monotonic()
    answer = poster(service, github, 1, request_id)()
    took_s = time.monotonic() - began_s
    may_dispatch.set()
    until(lambda: fake.runs)
    assert answer.status_code == 404
    assert took_s < 2.0
