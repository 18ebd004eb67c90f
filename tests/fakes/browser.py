"""A real browser without a window: Chromium, driven over WebDriver (W3C) by Debian's chromedriver.

Owns its start and its end. Only addresses of this machine are ever opened.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

DRIVER = shutil.which("chromedriver")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's own name of the field
_FLAGS = (
    "--headless",
    "--no-sandbox",  # root has no user namespaces in many a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,1200",
)
_START_S, _ANSWER_S = 20.0, 30.0


class Browser:
    """One window. Elements are found by CSS selector; a selector that finds none raises."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", "/url"))

    @property
    def source(self) -> str:
        return str(self._ask("GET", "/source"))

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector)}/text"))

    def value(self, selector: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector)}/property/value"))

    def style(self, selector: str, name: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector)}/css/{name}"))

    def fill(self, selector: str, text: str) -> None:
        element = self._find(selector)
        self._ask("POST", f"/element/{element}/clear", {})
        self._ask("POST", f"/element/{element}/value", {"text": text})

    def click(self, selector: str) -> None:
        """Click on what leads to another page, and wait until that has taken this one's place."""
        before = self._find("html")
        self._ask("POST", f"/element/{self._find(selector)}/click", {})
        deadline = time.monotonic() + _ANSWER_S
        while self._http.get(f"/session/{self._session}/element/{before}/name").status_code == 200:
            assert time.monotonic() < deadline, f"a click on {selector} led nowhere"
            time.sleep(0.01)

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`, as the person's desktop would say it."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._ask(
            "POST",
            "/goog/cdp/execute",
            {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [feature]}},
        )

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"/session/{self._session}{path}", json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value["message"]
        return value


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own below `folder`."""
    assert DRIVER is not None
    command = [DRIVER, "--port=0", "--log-level=SEVERE"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        try:
            http = httpx.Client(
                base_url=f"http://127.0.0.1:{_port(driver)}", timeout=_ANSWER_S, trust_env=False
            )
            with http:
                options = {"args": [*_FLAGS, f"--user-data-dir={folder / 'profile'}"]}
                wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
                made = http.post("/session", json=wanted).json()["value"]
                assert "sessionId" in made, made
                try:
                    yield Browser(http, made["sessionId"])
                finally:
                    http.delete(f"/session/{made['sessionId']}")
        finally:
            driver.terminate()


def _port(driver: subprocess.Popen[str]) -> int:
    """The port that the driver says it listens on."""
    assert driver.stdout is not None
    deadline = time.monotonic() + _START_S
    for line in driver.stdout:
        if "on port " in line and "started successfully" in line:
            return int(line.rsplit("on port ", 1)[1].split(".")[0])
        assert time.monotonic() < deadline, "chromedriver did not start"
    raise AssertionError("chromedriver ended")
