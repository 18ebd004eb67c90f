"""A stand-in GitHub for each test, with one repository, people in it and a webhook receiver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import github
import pytest

from bot.standin import Person, Repository, StandIn

WORKFLOW = b"""\
name: generate
run-name: kernelwright ${{ inputs.request_id }}
on:
  workflow_dispatch:
    inputs:
      request: {required: true, type: string}
      request_id: {required: true, type: string}
      note: {type: string, default: none}
jobs:
  generate:
    runs-on: [self-hosted, gpu]
    timeout-minutes: 5
    env:
      LAYER: job
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789
        with: {path: repository}
      - id: generate
        shell: bash
        env:
          KERNEL_REQUEST: ${{ inputs.request }}
          MODEL: ${{ vars.MODEL || 'none' }}
          KEY: ${{ secrets.KEY }}
        run: |
          mkdir -p "$RUNNER_TEMP/out/bundle/problems"
          printf '%s' "$KERNEL_REQUEST" > "$RUNNER_TEMP/out/bundle/request.json"
          env | sort > "$RUNNER_TEMP/out/bundle/problems/env.txt"
          ls repository
          echo "model $MODEL"
      - uses: actions/upload-artifact@0123456789012345678901234567890123456789
        with:
          name: kernelwright-${{ inputs.request_id }}
          path: ${{ runner.temp }}/out/bundle
"""


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A webhook's other end. `answers` are the statuses of the next deliveries; then 202."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def names(self) -> list[str]:
        return [r.headers["x-github-event"] for r in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    end = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            end.received.append(Received(headers=headers, body=body))
            self.send_response(end.answers.pop(0) if end.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    end.url = f"http://127.0.0.1:{server.server_address[1]}/webhook"
    yield end
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def stopping() -> Iterator[list[threading.Thread]]:
    """Stand-ins on their way out: the server takes 0.15 s to end, and nobody need wait for it."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def standin(tmp_path: Path, stopping: list[threading.Thread]) -> Iterator[StandIn]:
    running = StandIn(tmp_path / "standin").start()
    yield running
    stopping.append(threading.Thread(target=running.stop))
    stopping[-1].start()
    # The stand-in's own answers must be what GitHub's description promises.
    assert running.advisories == []


@pytest.fixture
def repository(standin: StandIn) -> Repository:
    files = {"README.md": b"hello\n", ".github/workflows/generate.yml": WORKFLOW}
    return standin.create_repository(
        "octo/kernels", files=files, variables={"MODEL": "replay:x"}, secrets={"KEY": "hush"}
    )


@pytest.fixture
def ada(standin: StandIn, repository: Repository) -> Person:
    return standin.person("ada", repository, "maintain")


@pytest.fixture
def app(standin: StandIn, repository: Repository) -> github.Github:
    """PyGithub with the App's installation token: how the service sees the stand-in."""
    auth = github.Auth.AppAuth(standin.app_id, standin.private_key_pem)
    integration = github.GithubIntegration(
        auth=auth, base_url=standin.base_url, seconds_between_requests=0, seconds_between_writes=0
    )
    installation = integration.get_repo_installation("octo", "kernels")
    return github.Github(
        auth=auth.get_installation_auth(installation.id),
        base_url=standin.base_url,
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until something is so; fails when it never is."""

    def wait(so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not so():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.01)

    return wait
