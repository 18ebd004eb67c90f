"""GitHub's own example payloads through the endpoint: none breaks it, and only ours act.

And what the examples lack: a comment on a pull request, a review that asks for changes.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.app import create_app
from bot.events import EVENT_TYPES
from bot.settings import Settings

SECRET = "s3cret"
FIXTURE = Path(__file__).parents[1] / "fixtures" / "webhooks" / "examples.json.gz"
EXAMPLES: list[dict[str, Any]] = json.loads(gzip.decompress(FIXTURE.read_bytes()))
PAYLOADS = [(row["name"], payload) for row in EXAMPLES for payload in row["examples"]]

Send = Callable[[str, Any], int]


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory, silent_github: Any) -> Iterator[Send]:
    """Sends a payload, signed, and gives the status of the answer."""
    settings = Settings(
        app_id="1", webhook_secret=SECRET, private_key="unused",
        state_dir=tmp_path_factory.mktemp("state"),
    )  # fmt: skip
    numbers = iter(range(1_000_000))

    def post(event: str, payload: Any) -> int:
        body = json.dumps(payload).encode()
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": f"example-{next(numbers)}",
            "X-Hub-Signature-256": f"sha256={digest}",
        }
        return client.post("/webhook", content=body, headers=headers).status_code

    with TestClient(create_app(settings, silent_github)) as client:
        yield post


def example(event: str, action: str) -> dict[str, Any]:
    return copy.deepcopy(next(p for n, p in PAYLOADS if (n, p.get("action")) == (event, action)))


def test_the_collection_is_whole() -> None:
    assert len(PAYLOADS) == 329
    assert set(EVENT_TYPES) <= {name for name, _ in PAYLOADS}


def test_no_example_breaks_the_endpoint_and_only_labels_are_looked_into(send: Send) -> None:
    answers = Counter((name, send(name, payload)) for name, payload in PAYLOADS)
    # Real payloads of somebody else's repositories: our commands and our runs are in none. Whether
    # a label is the one that asks, only the repository's own configuration says.
    labelled = [p for n, p in PAYLOADS if n == "issues" and p["action"] == "labeled"]
    assert {key: count for key, count in answers.items() if key[1] != 204} == {
        ("issues", 202): len(labelled)
    }
    assert sum(answers.values()) == 329


@pytest.mark.parametrize("event", sorted(EVENT_TYPES))
def test_every_event_that_we_read_is_understood(event: str) -> None:
    for name, payload in PAYLOADS:
        if name == event:
            parsed = EVENT_TYPES[event].model_validate(payload)
            assert parsed.repository.full_name == payload["repository"]["full_name"]


def labelled() -> tuple[str, Any]:
    payload = example("issues", "labeled")
    payload["label"]["name"] = "kernel-request"
    return "issues", payload


def command_on_a_request() -> tuple[str, Any]:
    payload = example("issue_comment", "created")
    payload["issue"]["labels"] = [{"name": "kernel-request"}]
    payload["comment"]["body"] = "/help"
    return "issue_comment", payload


def command_on_our_pull_request() -> tuple[str, Any]:
    payload = example("issue_comment", "created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/o/r/pulls/2"}
    payload["issue"]["user"] = {"login": "kernelwright[bot]", "type": "Bot"}
    payload["comment"]["body"] = "/help"
    return "issue_comment", payload


def review_that_asks_for_changes() -> tuple[str, Any]:
    payload = example("pull_request_review", "submitted")
    payload["review"] |= {"state": "changes_requested", "body": None}
    payload["pull_request"]["head"]["ref"] = "kernel/7-add-one"
    return "pull_request_review", payload


def run_of_a_request() -> tuple[str, Any]:
    payload = example("workflow_run", "completed")
    payload["workflow_run"]["display_title"] = "kernelwright kw-0123456789abcdef"
    return "workflow_run", payload


@pytest.mark.parametrize(
    "derive",
    [
        labelled,
        command_on_a_request,
        command_on_our_pull_request,
        review_that_asks_for_changes,
        run_of_a_request,
    ],
)
def test_the_same_payload_made_ours_is_kept(send: Send, derive: Any) -> None:
    assert send(*derive()) == 202


@pytest.mark.parametrize("broken", ["sender", "repository", "action"])
def test_an_example_that_lost_a_part_is_let_pass(send: Send, broken: str) -> None:
    event, payload = labelled()
    del payload[broken]
    assert send(event, payload) == 204
