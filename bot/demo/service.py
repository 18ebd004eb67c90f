"""The real bot as a process of its own, as an operator would start it.

Owns its environment, its log and its end. Raises `ServiceFailed` when it does not come up.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from bot.standin import StandIn

_ADDRESS = re.compile(r"listens on (http://\S+)")
_START_S = 60.0
_STOP_S = 10.0


class ServiceFailed(Exception):
    """The bot did not come up; its log says why."""


class Service:
    """`python -m bot serve` against a stand-in, with its database in `folder`."""

    def __init__(self, standin: StandIn, root: Path, folder: Path) -> None:
        self.log_file = folder / "bot.log"
        self.url = ""
        self._standin = standin
        self._root = root
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        key_file = self._folder / "private-key.pem"
        key_file.touch(mode=0o600)
        key_file.write_text(self._standin.private_key_pem, encoding="utf-8")
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                cwd=self._folder,
                env=self._environment(key_file),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _environment(self, key_file: Path) -> dict[str, str]:
        # The operator's own settings must not reach a demo, nor a proxy stand before loopback.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("KERNELWRIGHT_")}
        settings = {
            "APP_ID": str(self._standin.app_id),
            "PRIVATE_KEY_FILE": str(key_file.resolve()),
            "WEBHOOK_SECRET": self._standin.webhook_secret,
            "GITHUB_API_URL": self._standin.base_url,
            "STATE_DIR": str(self._folder.resolve()),
            "PORT": "0",
            "POLL_INTERVAL_S": "2",
            "OIDC_ISSUER": self._standin.issuer.url,
            "PROGRESS_PACE_S": "2",
            # Pacing spares GitHub; there is nobody to spare here.
            "SECONDS_BETWEEN_REQUESTS": "0",
            "SECONDS_BETWEEN_WRITES": "0",
            "REVIEW_WINDOW_S": "0",
        }
        return {
            **inherited,
            **{f"KERNELWRIGHT_{name}": value for name, value in settings.items()},
            "PYTHONPATH": str(self._root),
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while self.alive and time.monotonic() < deadline:
            found = _ADDRESS.search(self.log_file.read_text(encoding="utf-8", errors="replace"))
            if found and _is_ready(found[1]):
                self.url = found[1]
                return
            time.sleep(0.05)
        raise ServiceFailed("the bot did not come up")


def _is_ready(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200
