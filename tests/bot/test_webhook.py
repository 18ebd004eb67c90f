"""Signatures and parsing of deliveries."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from bot.errors import BadSignature
from bot.events import IssuesEvent
from bot.webhook import parse_delivery, verify_signature

# The vector of GitHub's own documentation.
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.mark.parametrize(
    ("header", "body", "secret", "good"),
    [
        (f"sha256={DIGEST}", BODY, SECRET, True),
        (f"sha256={DIGEST.upper()}", BODY, SECRET, False),
        (f"sha256={DIGEST}", BODY + b" ", SECRET, False),
        (f"sha256={DIGEST}", BODY, "another secret", False),
        (f"sha1={DIGEST}", BODY, SECRET, False),
        (DIGEST, BODY, SECRET, False),
        (f"sha256={DIGEST[:-1]}", BODY, SECRET, False),
        ("sha256=", BODY, SECRET, False),
        ("sha256=é" + DIGEST[1:], BODY, SECRET, False),
        ("", BODY, SECRET, False),
        (None, BODY, SECRET, False),
        # An empty secret would let everybody sign.
        ("sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest(), BODY, "", False),
    ],
)
def test_signature(header: str | None, body: bytes, secret: str, good: bool) -> None:
    assert verify_signature(body, header, secret) is good


def parse(payload: Any, event_name: str | None = "issues") -> Any:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return parse_delivery(body, signature_header=signature, secret=SECRET, event_name=event_name)


LABELED = {
    "action": "labeled",
    "issue": {"number": 7, "labels": [{"name": "kernel-request"}], "title": "unread"},
    "label": {"name": "kernel-request"},
    "repository": {"full_name": "octo/kernels"},
    "sender": {"login": "mona", "type": "User"},
    "installation": {"id": 5},
}


def test_a_known_event_is_parsed_and_unread_fields_are_ignored() -> None:
    event = parse(LABELED)
    assert isinstance(event, IssuesEvent)
    assert (event.issue.number, event.sender.login) == (7, "mona")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        {},
        {**LABELED, "issue": None},
        {**LABELED, "repository": {"full_name": "../../etc"}},
    ],
)
def test_a_signed_body_that_cannot_be_read_is_nothing(payload: Any) -> None:
    assert parse(payload) is None


@pytest.mark.parametrize("event_name", ["ping", "push", "made_up", "", None])
def test_an_event_without_use_is_nothing(event_name: str | None) -> None:
    assert parse(LABELED, event_name) is None


def test_a_wrong_signature_is_refused_before_the_body_is_read() -> None:
    with pytest.raises(BadSignature):
        parse_delivery(b"not json", signature_header="sha256=0", secret=SECRET, event_name="issues")
