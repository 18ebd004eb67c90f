"""The service's HTTP face: webhooks and live progress in, health and metrics out.

Owns the answers to GitHub. A delivery is checked, kept and answered; what it asks for is done later
by the durable workflows. No call to GitHub is made while GitHub waits.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from bot import logs
from bot.durable import Durable
from bot.errors import BadSignature
from bot.github_api import GitHubApp
from bot.github_api.client import PyGithubApp
from bot.handlers import decide
from bot.metrics import CONTENT_TYPE, Metrics, MetricsServer
from bot.oidc import JobTokens
from bot.progress import ProgressDoor
from bot.records import Delivery
from bot.settings import Settings
from bot.tools import Tools
from bot.webhook import MAX_BODY_BYTES, parse_delivery
from runner.run_progress import MAX_PROGRESS_BYTES

log = logging.getLogger(__name__)
# Threads that write deliveries. SQLite has one writer, and those who wait for it sleep too long.
_KEEPERS = 4
_RESULTS = {202: "kept", 204: "ignored", 400: "malformed", 401: "forged", 413: "too large"}
_DELIVERY_ID = re.compile(r"[0-9A-Za-z-]{1,100}")


def create_app(
    settings: Settings, github_app: GitHubApp | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """The service. At start it asks GitHub for its own login and takes up unfinished requests."""
    counters = metrics or Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = await run_in_threadpool(_start, settings, github_app, counters)
        app.state.service = service
        try:
            yield
        finally:
            await run_in_threadpool(service.close)

    app = FastAPI(title="kernelwright", lifespan=lifespan, docs_url=None, openapi_url=None)
    app.add_api_route("/webhook", _webhook, methods=["POST"])
    app.add_api_route("/progress", _progress, methods=["POST"])
    app.add_api_route("/healthz", _healthz, methods=["GET"])
    app.add_api_route("/readyz", _readyz, methods=["GET"])
    if settings.metrics_port is None:
        app.add_api_route("/metrics", _metrics, methods=["GET"])
    return app


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """What a running service answers with."""

    durable: Durable
    door: ProgressDoor
    login: str
    secret: str
    keepers: CapacityLimiter
    metrics: Metrics
    metrics_server: MetricsServer | None

    def close(self) -> None:
        if self.metrics_server:
            self.metrics_server.close()
        self.durable.close()


def _start(settings: Settings, github_app: GitHubApp | None, metrics: Metrics) -> _Service:
    app = github_app or PyGithubApp(settings, metrics.github_answered)
    tools = Tools(
        app=app,
        login=app.login(),
        run_deadline_s=settings.run_deadline_s,
        poll_interval_s=settings.poll_interval_s,
        run_lookup_grace_s=settings.run_lookup_grace_s,
        progress_pace_s=settings.progress_pace_s,
        running_deadline_s=settings.running_deadline_s,
        cancel_deadline_s=settings.cancel_deadline_s,
        review_window_s=settings.review_window_s,
        supersede_patience_s=settings.supersede_patience_s,
        metrics=metrics,
    )
    durable = Durable(settings, tools)
    durable.open()
    metrics.watch_backlog(durable.backlog)
    tokens = JobTokens(issuer=settings.oidc_issuer, audience=settings.oidc_audience)
    port = settings.metrics_port
    return _Service(
        durable=durable,
        door=ProgressDoor(tokens=tokens, runs=durable),
        login=tools.login,
        secret=settings.webhook_secret.get_secret_value(),
        keepers=CapacityLimiter(_KEEPERS if settings.has_replicas() else 1),
        metrics=metrics,
        metrics_server=metrics.serve(settings.metrics_host, port) if port is not None else None,
    )


@dataclass(slots=True)
class _Seen:
    """What a verified delivery is about, for the counters; empty for any other."""

    event: str = ""
    action: str = ""


async def _webhook(request: Request) -> Response:
    """202: kept; 204: nothing for us; 400, 401, 413: refused, nothing kept."""
    service: _Service = request.app.state.service
    began_s = time.perf_counter()
    seen = _Seen()
    with logs.bound(delivery_id=_known_id(request) or "unnamed"):
        answer = await _answer(request, service, seen)
    result = _RESULTS[answer.status_code]
    service.metrics.delivery(seen.event, seen.action, result, time.perf_counter() - began_s)
    return answer


async def _answer(request: Request, service: _Service, seen: _Seen) -> Response:
    body = await _read_body(request, MAX_BODY_BYTES)
    if body is None:
        return JSONResponse({"error": f"more than {MAX_BODY_BYTES} bytes"}, status_code=413)
    event_name = request.headers.get("x-github-event")
    try:
        event = parse_delivery(
            body,
            signature_header=request.headers.get("x-hub-signature-256"),
            secret=service.secret,
            event_name=event_name,
        )
    except BadSignature as error:
        log.warning("a delivery was refused: %s", error)
        return JSONResponse({"error": str(error)}, status_code=401)
    seen.event, seen.action = event_name or "", event.action if event else ""
    decision = decide(event, service.login) if event is not None else None
    if event is None or decision is None:
        return Response(status_code=204)
    delivery_id = _known_id(request)
    if delivery_id is None:
        return JSONResponse({"error": "X-GitHub-Delivery is missing or odd"}, status_code=400)
    delivery = Delivery(
        delivery_id=delivery_id,
        repository=event.repository.full_name,
        installation_id=event.installation.id if event.installation else None,
        decision=decision,
    )
    with service.durable.right_of_way.first():
        await to_thread.run_sync(service.durable.accept, delivery, limiter=service.keepers)
    return JSONResponse({"delivery": delivery_id}, status_code=202)


def _known_id(request: Request) -> str | None:
    """The delivery's id, or None for one that GitHub would not give."""
    delivery_id = request.headers.get("x-github-delivery", "")
    return delivery_id if _DELIVERY_ID.fullmatch(delivery_id) else None


async def _progress(request: Request) -> Response:
    """202: kept; else why not, by `bot.progress`."""
    service: _Service = request.app.state.service
    body = await _read_body(request, MAX_PROGRESS_BYTES)
    if body is None:
        return JSONResponse({"error": f"more than {MAX_PROGRESS_BYTES} bytes"}, status_code=413)
    reply = await service.door.answer(request.headers.get("authorization"), body)
    headers = {} if reply.retry_after_s is None else {"Retry-After": str(reply.retry_after_s)}
    if reply.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    content = {"error": reply.error} if reply.error else {"status": "kept"}
    return JSONResponse(content, status_code=reply.status, headers=headers)


async def _read_body(request: Request, max_bytes: int) -> bytes | None:
    """The raw body, or None above the cap; read no further than that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


async def _metrics(request: Request) -> Response:
    """The counters of this replica, in Prometheus' text format."""
    service: _Service = request.app.state.service
    text = await run_in_threadpool(service.metrics.exposition)
    return Response(text, media_type=CONTENT_TYPE)


async def _healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


async def _readyz(request: Request) -> JSONResponse:
    """The database answers, so that a delivery can be kept."""
    service: _Service = request.app.state.service
    ready = await run_in_threadpool(service.durable.is_ready)
    status = "ready" if ready else "database unavailable"
    return JSONResponse({"status": status}, status_code=200 if ready else 503)
