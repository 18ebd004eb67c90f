"""Signed webhook deliveries, in order, over HTTP.

Owns the queue, the signature and the log of what was answered. Like GitHub it does not retry: a
delivery that fails stays in the log until somebody asks for it again. Knows no payload's meaning.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from bot.standin.faults import Faults

_TIMEOUT_S = 10.0  # GitHub gives up after ten seconds


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One delivery; `status` is the HTTP status of the last try, None without an answer."""

    id: str
    event: str
    action: str
    body: bytes
    status: int | None = None
    error: str = ""
    tries: int = 0
    number: int = 0  # by which the App asks for it again
    created_s: float = field(default_factory=time.time)
    lost: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        return f"{self.event}.{self.action}"

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload


def sign(body: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """The delivery queue. `url` may be changed at any time; while it is None, all is lost."""

    def __init__(self, *, url: str | None, secret: str, app_id: int, faults: Faults) -> None:
        self.url = url
        self.log: list[Delivery] = []
        self.secret = secret
        self._app_id = app_id
        self._faults = faults
        self._held: list[Delivery] = []
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is queued, then end."""
        self._queue.put(None)
        self._thread.join(timeout=2 * _TIMEOUT_S)

    def send(self, event: str, payload: Mapping[str, Any]) -> Delivery:
        """Queue one delivery; returns at once."""
        delivery = Delivery(
            id=str(uuid.uuid4()),
            event=event,
            action=str(payload.get("action", "")),
            body=json.dumps(payload, separators=(",", ":")).encode(),
        )
        delivery.number = 9_000_000_001 + len(self.log)
        self.log.append(delivery)
        if self._faults.take("lose", delivery.name):
            delivery.lost = True
            delivery.done.set()
            return delivery
        if self._faults.take("hold", delivery.name):
            self._held.append(delivery)
            return delivery
        self._queue.put(delivery)
        if self._faults.take("duplicate", delivery.name):
            self._queue.put(delivery)
        while self._held:
            self._queue.put(self._held.pop())
        return delivery

    def redeliver(self, delivery: Delivery) -> None:
        """Queue a delivery again under its own id, as GitHub's redeliver button does."""
        delivery.done.clear()
        delivery.lost = False
        self._queue.put(delivery)

    def undelivered(self) -> list[Delivery]:
        """Every delivery that was lost or not answered with 2xx, oldest first."""
        return [d for d in self.log if d.done.is_set() and not (d.status and d.status < 300)]

    def _work(self) -> None:
        no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loopback: no certificates to load
        # A connection for each: one kept from before leads to a service that may be gone by now.
        fresh = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(
            timeout=_TIMEOUT_S, trust_env=False, verify=no_tls, limits=fresh
        ) as client:
            while (delivery := self._queue.get()) is not None:
                self._deliver(client, delivery)
                delivery.done.set()

    def _deliver(self, client: httpx.Client, delivery: Delivery) -> None:
        delivery.tries += 1
        if self.url is None:
            delivery.status, delivery.error = None, "no webhook URL"
            return
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/standin",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.id,
            "X-GitHub-Hook-ID": "1",
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-GitHub-Hook-Installation-Target-ID": str(self._app_id),
            "X-Hub-Signature-256": sign(delivery.body, self.secret),
        }
        try:
            answer = client.post(self.url, content=delivery.body, headers=headers)
        except httpx.HTTPError as error:
            delivery.status, delivery.error = None, f"{type(error).__name__}: {error}"
        else:
            delivery.status, delivery.error = answer.status_code, ""
