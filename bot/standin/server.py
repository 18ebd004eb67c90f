"""The stand-in GitHub as one object: start it, create repositories, let people act, stop it.

Owns the HTTP server and the life of the threads behind it. What it serves is the REST API that the
service uses, webhooks, the artifact storage, and a page for each issue and pull request.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from bot.standin import blobs, pages
from bot.standin.auth import Authority
from bot.standin.faults import Faults
from bot.standin.gate import Gate, Incoming
from bot.standin.git_store import GitStore
from bot.standin.hub import Hub
from bot.standin.job import RunnerCommand
from bot.standin.oidc import Issuer
from bot.standin.people import Person
from bot.standin.registration import Registration
from bot.standin.runs import Runs
from bot.standin.state import Account, Repository, Role, State
from bot.standin.webhooks import Delivery, Webhooks

APP_ID = 1_204_117
INSTALLATION_ID = 61_384_902
_BOT_ID = 198_347_551
_START_S = 20.0
_API_PATHS = (
    "/app",
    "/app/{rest:path}",
    "/installation/{rest:path}",
    "/repos/{rest:path}",
    "/repositories/{rest:path}",
    "/users/{rest:path}",
)
_API_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


class StandIn:
    """GitHub on this machine, with its state in memory and its repositories below `root`.

    `webhook_url` may be set later. `runner_command` replaces the script of `generate.yml` (see
    `job.RunnerCommand`); `run_timeout_s` shortens the workflow's own time limit.
    """

    def __init__(
        self,
        root: Path,
        *,
        webhook_url: str | None = None,
        webhook_secret: str = "standin-webhook-secret",  # noqa: S107  # no secret: a local default
        app_slug: str = "kernelwright",
        runner_command: RunnerCommand = None,
        run_timeout_s: float | None = None,
    ) -> None:
        self.root = root
        self.webhook_secret = webhook_secret
        self.faults = Faults()
        state = State(bot=Account(id=_BOT_ID, login=f"{app_slug}[bot]", kind="Bot"))
        authority = Authority(state, app_id=APP_ID, installation_id=INSTALLATION_ID)
        webhooks = Webhooks(
            url=webhook_url, secret=webhook_secret, app_id=APP_ID, faults=self.faults
        )
        self.runs = Runs(root / "runs", runner_command, run_timeout_s)
        self.hub = Hub(
            state=state,
            authority=authority,
            webhooks=webhooks,
            faults=self.faults,
            blobs=blobs.Blobs(),
            issuer=Issuer(),
            registration=Registration(),
            start_run=self.runs.enqueue,
            cancel_run=self.runs.cancel,
        )
        self.gate = Gate(self.hub)
        self._people: list[Person] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The URL of the API and of the pages; empty before `start`."""
        return self.hub.base

    @property
    def app_id(self) -> int:
        return self.hub.authority.app_id

    @property
    def private_key_pem(self) -> str:
        return self.hub.authority.private_key_pem

    @property
    def issuer(self) -> Issuer:
        """Who signs the OIDC tokens of jobs here."""
        return self.hub.issuer

    @property
    def webhook_url(self) -> str | None:
        return self.hub.webhooks.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self.hub.webhooks.url = url

    @property
    def deliveries(self) -> list[Delivery]:
        """Every webhook delivery so far, oldest first, with the status it was answered with."""
        return self.hub.webhooks.log

    @property
    def violations(self) -> list[str]:
        """What GitHub's description says against the requests received; empty when all are fine."""
        return [str(violation) for violation in self.gate.violations]

    @property
    def advisories(self) -> list[str]:
        """What GitHub's description says against the stand-in's own answers."""
        return [str(violation) for violation in self.gate.advisories]

    def start(self) -> Self:
        """Listen on a free port of the loopback interface; returns when requests are answered."""
        # The protocol is named so that asyncio knows TCP and turns Nagle's algorithm off: with it
        # on, each answer waits 40 ms for a delayed acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        port = listener.getsockname()[1]
        self.hub.base = f"http://127.0.0.1:{port}"
        self.hub.blobs.base = f"http://localhost:{port}"
        self.hub.issuer.base = self.hub.base
        config = uvicorn.Config(
            _app(self.hub, self.gate),
            log_level="warning",
            lifespan="off",
            date_header=False,  # the gate says the time, by the stand-in's own clock
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="standin", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the stand-in GitHub did not start")
            time.sleep(0.005)
        self.hub.webhooks.start()
        self.runs.start(self.hub)
        return self

    def stop(self) -> None:
        """End the run in progress, send the queued webhooks, stop listening."""
        self.runs.stop()
        self.hub.webhooks.stop()
        for person in self._people:
            person.close_session()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=_START_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_repository(
        self,
        full_name: str,
        *,
        files: Mapping[str, bytes],
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        bare_path: Path | None = None,
    ) -> Repository:
        """A repository with the App installed and `files` in its first commit.

        `variables` and `secrets` are those of GitHub Actions. The bare repository is made at
        `bare_path` (`root/<owner>/<name>.git` unless given), the `git.path` of what is returned.
        """
        owner_login, name = full_name.split("/")
        state = self.hub.state
        with state.lock:
            owner = state.account(owner_login)
            repository = Repository(
                id=state.next_id(),
                owner=owner,
                name=name,
                git=GitStore.create(bare_path or self.root / owner_login / f"{name}.git", "main"),
                created_at=state.clock(),
                variables=dict(variables or {}),
                secrets=dict(secrets or {}),
            )
            repository.git.commit_files(
                "main", files, "Initial commit", owner.signature, state.clock()
            )
            state.repositories[full_name] = repository
        return repository

    def person(self, login: str, repository: Repository, role: Role = "read") -> Person:
        """Somebody with that role in that repository, ready to act."""
        state = self.hub.state
        with state.lock:
            account = state.account(login)
            repository.roles[login] = role
            token = self.hub.authority.user_token(account)
        person = Person(self.hub, repository, account, token)
        self._people.append(person)
        return person

    def redeliver(self, delivery: Delivery) -> None:
        """Deliver again under the same id, as the redeliver button of a GitHub App does."""
        self.hub.webhooks.redeliver(delivery)


def _app(hub: Hub, gate: Gate) -> FastAPI:
    app = FastAPI(title="stand-in GitHub", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(blobs.PATH + "{token}")
    def blob(token: str, request: Request) -> Response:
        if "authorization" in request.headers:
            # The real storage takes one way of authentication only: the link itself.
            return Response("Only one auth mechanism is allowed", status_code=400)
        data = hub.blobs.read(token)
        if data is None:
            return Response("This link has expired", status_code=403)
        return StreamingResponse(data, media_type="application/zip")

    hub.issuer.add_routes(app)

    async def api(request: Request) -> Response:
        incoming = Incoming(
            method=request.method,
            path=request.scope["raw_path"].decode(),
            query=request.url.query,
            headers=dict(request.headers),
            body=await request.body(),
        )
        reply = await run_in_threadpool(gate.answer, incoming)
        headers = {"Content-Type": "application/json; charset=utf-8"} | dict(reply.headers)
        return Response(reply.body, status_code=reply.status, headers=headers)

    # The API's own first segments come before the pages, whose `/{owner}/{repo}` would take them;
    # whatever no page has is a request to the API too, and a wrong one.
    for path in _API_PATHS:
        app.add_api_route(path, api, methods=_API_METHODS)
    pages.add_routes(app, hub)
    app.add_api_route("/{rest:path}", api, methods=_API_METHODS)
    return app
