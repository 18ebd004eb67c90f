"""Deliveries: signed, in order, kept in the log, and never retried without being asked."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable

from bot.standin import Person, StandIn
from bot.standin.webhooks import sign

Eventually = Callable[[Callable[[], bool]], None]


def test_signs_like_github() -> None:
    # The example of GitHub's documentation.
    assert sign(b"Hello, World!", "It's a Secret to Everybody") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


def test_deliveries_arrive_in_order_signed_over_the_bytes_sent(
    standin: StandIn, receiver, ada: Person, eventually: Eventually
) -> None:
    standin.webhook_url = receiver.url
    number = ada.open_issue("A kernel", "please, with ümläuts", ["kernel-request"])
    ada.comment(number, "hello")
    eventually(lambda: len(receiver.received) == 3)
    assert receiver.names() == ["issues", "issues", "issue_comment"]
    for got, delivery in zip(receiver.received, standin.deliveries, strict=True):
        digest = hmac.new(standin.webhook_secret.encode(), got.body, hashlib.sha256).hexdigest()
        assert got.headers["x-hub-signature-256"] == f"sha256={digest}"
        assert got.headers["x-github-delivery"] == delivery.id
        assert json.loads(got.body) == delivery.payload
    assert len({delivery.id for delivery in standin.deliveries}) == 3


def test_a_failed_delivery_stays_in_the_log_until_it_is_asked_for_again(
    standin: StandIn, receiver, ada: Person, eventually: Eventually
) -> None:
    standin.webhook_url = receiver.url
    receiver.answers = [500]
    ada.open_issue("A kernel", "please")
    eventually(lambda: standin.deliveries[0].done.is_set())
    assert [d.status for d in standin.hub.webhooks.undelivered()] == [500]
    standin.redeliver(standin.deliveries[0])
    eventually(lambda: standin.deliveries[0].status == 202)
    assert standin.hub.webhooks.undelivered() == []
    ids = {got.headers["x-github-delivery"] for got in receiver.received}
    assert (len(receiver.received), len(ids)) == (2, 1)


def test_a_delivery_that_nobody_answers_does_not_hold_up_the_next(
    standin: StandIn, receiver, ada: Person, eventually: Eventually
) -> None:
    standin.webhook_url = "http://127.0.0.1:1/nobody"
    number = ada.open_issue("A kernel", "please")
    eventually(lambda: standin.deliveries[0].done.is_set())
    assert standin.deliveries[0].status is None
    assert "ConnectError" in standin.deliveries[0].error
    standin.webhook_url = receiver.url
    ada.comment(number, "hello")
    eventually(lambda: receiver.names() == ["issue_comment"])


def test_a_lost_delivery_never_arrives_and_a_doubled_one_twice(
    standin: StandIn, receiver, ada: Person, eventually: Eventually
) -> None:
    standin.webhook_url = receiver.url
    standin.faults.lose("issues.opened")
    standin.faults.deliver_twice("issue_comment.created")
    number = ada.open_issue("A kernel", "please")
    ada.comment(number, "one")
    ada.comment(number, "two")
    eventually(lambda: len(receiver.received) == 3)
    ids = [got.headers["x-github-delivery"] for got in receiver.received]
    assert receiver.names() == ["issue_comment"] * 3
    assert (ids[0], ids[2]) == (standin.deliveries[1].id, standin.deliveries[2].id)
    assert ids[0] == ids[1]
    assert [d.lost for d in standin.deliveries] == [True, False, False]


def test_a_payload_keeps_the_moment_that_it_tells_of(standin: StandIn, ada: Person) -> None:
    number = ada.open_issue("A kernel", "please")
    ada.edit_issue(number, title="Another")
    titles = [delivery.payload["issue"]["title"] for delivery in standin.deliveries]
    assert titles == ["A kernel", "Another"]
