"""The real service in processes of its own, on a stand-in GitHub, with an instant runner."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bot.standin import Job, Repository, StandIn
from runner.contract import KernelRequest

SECRET = "a secret for the tests"
WAIT_S = 60.0
BOT = "kernelwright[bot]"


@dataclass
class Service:
    """The service: started, killed and started again with one port and one database."""

    nursery: subprocess.Popen[str]
    environment: dict[str, str]
    state: Path
    port: int
    pid: int | None = None
    ended: int | None = None

    def start(self, kill: tuple[str, ...] | None = None) -> None:
        log = str(self.state / "bot.log")
        self.ended = None
        self.pid = self._ask(start={"environment": self.environment, "log": log, "kill": kill})
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            try:
                # It takes connections before it is ready, and answers them when it is.
                ready = f"http://127.0.0.1:{self.port}/readyz"
                with urllib.request.urlopen(ready, timeout=WAIT_S):
                    return
            except urllib.error.URLError:
                time.sleep(0.01)
        raise AssertionError(Path(log).read_text())

    def wait(self, timeout_s: float = WAIT_S) -> int | None:
        """The end of the process, which comes by itself: minus the signal, or the exit code."""
        self.ended = self._ask(wait=self.pid, timeout_s=timeout_s)
        return self.ended

    def stop(self, how: signal.Signals = signal.SIGKILL) -> int | None:
        """End the process; how it ended."""
        if self.pid is None or self.ended is not None:
            return self.ended
        os.kill(self.pid, how)
        return self.wait()

    def until_idle(self, requests: int) -> None:
        """Until `requests` generations, and every delivery, have ended well."""
        deadline_s = time.monotonic() + WAIT_S
        rows: list[tuple[str, str]] = []
        while time.monotonic() < deadline_s:
            rows = self._workflows()
            done = [name for name, status in rows if status == "SUCCESS"]
            if len(done) == len(rows) and done.count("generation") == requests:
                return
            time.sleep(0.03)
        raise AssertionError(f"{rows}\n{(self.state / 'bot.log').read_text()}")

    def _workflows(self) -> list[tuple[str, str]]:
        """Name and status of every workflow in the service's database but the searches."""
        query = "SELECT name, status FROM {}workflow_status WHERE name != 'search'"
        url = self.environment.get("KERNELWRIGHT_DATABASE_URL")
        if url:
            with psycopg.connect(url) as session:
                return session.execute(query.format("dbos.")).fetchall()  # type: ignore[arg-type]
        with closing(sqlite3.connect(self.state / "kernelwright.sqlite", timeout=10)) as database:
            return database.execute(query.format("")).fetchall()

    def _ask(self, **order: Any) -> Any:
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(order) + "\n")
        self.nursery.stdin.flush()
        return json.loads(self.nursery.stdout.readline())


def environment(standin: StandIn, state: Path, port: int) -> dict[str, str]:
    """The settings of a service for that stand-in, without its pauses."""
    return {
        "KERNELWRIGHT_APP_ID": str(standin.app_id),
        "KERNELWRIGHT_PRIVATE_KEY": standin.private_key_pem,
        "KERNELWRIGHT_WEBHOOK_SECRET": SECRET,
        "KERNELWRIGHT_GITHUB_API_URL": standin.base_url,
        "KERNELWRIGHT_STATE_DIR": str(state),
        "KERNELWRIGHT_PORT": str(port),
        "KERNELWRIGHT_POLL_INTERVAL_S": "0.2",
        "KERNELWRIGHT_OIDC_ISSUER": standin.issuer.url,
        "KERNELWRIGHT_PROGRESS_PACE_S": "0.1",
        "KERNELWRIGHT_SECONDS_BETWEEN_REQUESTS": "0",
        "KERNELWRIGHT_SECONDS_BETWEEN_WRITES": "0",
        "KERNELWRIGHT_CREATIONS_PER_MINUTE": "10000",
        "KERNELWRIGHT_CREATIONS_PER_HOUR": "10000",
        "KERNELWRIGHT_RUN_LOOKUP_GRACE_S": "0",
        "KERNELWRIGHT_REVIEW_WINDOW_S": "0",
    }


def instant_runner(make_bundle: Callable[[KernelRequest], bytes]) -> Callable[[Job], int]:
    """A runner that hands back the bundle that `make_bundle` gives, at once."""

    def run(job: Job) -> int:
        wanted = KernelRequest.model_validate_json(job.inputs["request"])
        with zipfile.ZipFile(io.BytesIO(make_bundle(wanted))) as archive:
            archive.extractall(job.temp / "out" / "bundle")
        return 0

    return run


def markers(repository: Repository, kind: str) -> list[str]:
    """The first lines of the service's comments of that kind, wherever they stand."""
    return [
        comment.body.split("\n")[0]
        for issue in repository.issues.values()
        for comment in issue.comments
        if comment.user.login == BOT and comment.body.startswith(f"<!-- kernelwright:{kind}")
    ]


def pull_number(repository: Repository) -> int:
    (number,) = [issue.number for issue in repository.issues.values() if issue.pull]
    return number
