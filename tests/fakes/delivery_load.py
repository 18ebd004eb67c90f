"""A burst of webhook deliveries at a fixed rate, sent and timed by a process of its own.

Run as a script: port, count and rate on the command line; one JSON row a delivery on stdout. One in
ten repeats the one before it, one in twenty is forged, and of the others some are not for us.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
from dataclasses import asdict, dataclass

SECRET = "a secret for the load"
REPOSITORY = {"full_name": "octo/kernels"}
PERSON = {"login": "mona", "type": "User"}
FIRST_REQUEST = 100_000
_CONNECTIONS = 48
_FORGERIES = ("sha256=" + "0" * 64, "", "sha1=0", "the secret of somebody else")


def request_form(spec: str, reference: str) -> str:
    """The body of every issue of the burst, as GitHub renders it from the form."""
    parts = {
        "Spec (problem.toml)": f"```toml\n{spec.rstrip()}\n```",
        "Reference (reference.py)": f"```python\n{reference.rstrip()}\n```",
        "Extra baselines (baseline.py)": "_No response_",
        "Budget": "15 minutes",
        "Anything else": "_No response_",
    }
    return "\n\n".join(f"### {label}\n\n{value}" for label, value in parts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One delivery of the burst. `kind`: what it asks for; `repeats`: sent once before."""

    kind: str
    delivery_id: str
    event: str
    body: bytes
    signature: str
    repeats: bool = False

    @property
    def expected(self) -> int:
        return {"forged": 401, "idle": 204}.get(self.kind, 202)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`latency_s` counts from when it was due, so a sender that lags hides nothing."""

    status: int
    latency_s: float


def burst(count: int) -> list[Sending]:
    """The same `count` deliveries each time."""
    sendings: list[Sending] = []
    for number in range(count):
        if number % 10 == 5:
            last = sendings[-1]
            sendings.append(Sending(**{**asdict(last), "repeats": True}))
        else:
            sendings.append(_sending(number))
    return sendings


def _sending(number: int) -> Sending:
    kind, event, payload = _content(number)
    body = json.dumps({**payload, "repository": REPOSITORY, "sender": PERSON}).encode()
    signature = _sign(body, SECRET)
    if number % 20 == 7:
        kind = "forged"
        forgery = _FORGERIES[number // 20 % len(_FORGERIES)]
        signature = _sign(body, forgery) if " " in forgery else forgery
    return Sending(
        kind=kind, delivery_id=f"load-{number}", event=event, body=body, signature=signature
    )


def _content(number: int) -> tuple[str, str, dict[str, object]]:
    if number % 50 == 1:
        issue = {"number": FIRST_REQUEST + number, "labels": [{"name": "kernel-request"}]}
        payload = {"action": "labeled", "issue": issue, "label": {"name": "kernel-request"}}
        return "request", "issues", payload
    if number % 5 == 2:
        run = {"id": number, "display_title": f"kernelwright kw-{number:016x}"}
        return "run", "workflow_run", {"action": "completed", "workflow_run": run}
    if number % 5 == 3:
        return "idle", "issues", {"action": "opened", "issue": {"number": number, "labels": []}}
    issue = {"number": number + 1, "labels": [{"name": "kernel-request"}]}
    comment = {"id": number + 1, "body": "/help"}
    return "help", "issue_comment", {"action": "created", "issue": issue, "comment": comment}


def _sign(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def send(port: int, sendings: list[Sending], rate_per_s: float) -> list[Answer]:
    """Send each when it is due, however long the ones before it take."""
    connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(min(_CONNECTIONS, len(sendings))):
        connections.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    begin_s = time.perf_counter() + 0.2

    async def one(index: int, sending: Sending) -> Answer:
        due_s = begin_s + index / rate_per_s
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        reader, writer = await connections.get()
        writer.write(_request(sending))
        status = await _read_status(reader)
        answer = Answer(status=status, latency_s=time.perf_counter() - due_s)
        connections.put_nowait((reader, writer))
        return answer

    return await asyncio.gather(*(one(*row) for row in enumerate(sendings)))


def _request(sending: Sending) -> bytes:
    head = [
        "POST /webhook HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(sending.body)}",
        f"X-GitHub-Event: {sending.event}",
        f"X-GitHub-Delivery: {sending.delivery_id}",
    ]
    if sending.signature:
        head.append(f"X-Hub-Signature-256: {sending.signature}")
    return "\r\n".join([*head, "", ""]).encode() + sending.body


async def _read_status(reader: asyncio.StreamReader) -> int:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split()[1])


def main() -> None:
    port, count, rate_per_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    answers = asyncio.run(send(port, burst(count), rate_per_s))
    json.dump([asdict(answer) for answer in answers], sys.stdout)


if __name__ == "__main__":
    main()
