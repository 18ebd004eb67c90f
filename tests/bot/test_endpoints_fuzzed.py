"""Generated requests against our own endpoints: no answer that their description does not name.

The description is the tests' own; the service publishes none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks

from bot.app import create_app
from bot.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
SECRET = "s3cret"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "webhooks" / "endpoints.json"
EXAMPLES = 40
load_all_checks()
schema = schemathesis.openapi.from_dict(json.loads(FIXTURE.read_text()))
quick = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
CHECKS = [
    check
    for check in schemathesis.checks.CHECKS.get_all()
    if check.__name__ in ("not_a_server_error", "status_code_conformance")
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, silent_github: Any) -> Iterator[str]:
    made = Settings(
        app_id="1", webhook_secret=SECRET, private_key="unused",
        state_dir=tmp_path_factory.mktemp("state"),
    )  # fmt: skip
    config = uvicorn.Config(create_app(made, silent_github), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_both_checks_were_found() -> None:
    assert len(CHECKS) == 2


@schema.parametrize()
@quick
def test_any_request_gets_an_answer_that_is_described(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS)


@schema.include(path="/webhook").parametrize()
@quick
def test_any_signed_body_gets_an_answer_that_is_described(
    case: schemathesis.Case, url: str
) -> None:
    # Past the signature, where the parsing is.
    client = httpx.Client(base_url=url, trust_env=False, verify=False)
    body = json.dumps(case.body, default=str).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    for event in ("issues", "issue_comment", "pull_request_review", "workflow_run"):
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": f"fuzz-{digest[:20]}-{event}",
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        answer = client.post("/webhook", content=body, headers=headers)
        assert answer.status_code in (202, 204)
    client.close()
