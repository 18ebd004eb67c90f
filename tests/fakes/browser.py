"""A real browser without a window: Chromium, driven over WebDriver (W3C) by Debian's chromedriver.

Owns its start and its end. Only addresses of this machine are ever opened.
"""

from __future__ import annotations

import base64
import json
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
# How WebDriver writes keys that print nothing.
KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowRight": "\ue014",
}
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

    def press(self, *keys: str) -> None:
        """Keys one after the other, to whatever has the focus; names as in `KEYS`."""
        strokes = [
            {"type": kind, "value": KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        self._act({"type": "key", "id": "keyboard", "actions": strokes})

    def point_at(self, selector: str, *, press: bool = False) -> None:
        """Move the pointer to the middle of an element, and press its button there."""
        element = {_ELEMENT: self._find(selector)}
        moves: list[dict[str, Any]] = [
            {"type": "pointerMove", "duration": 0, "origin": element, "x": 0, "y": 0}
        ]
        if press:
            moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act({"type": "pointer", "id": "mouse", "actions": moves})

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        body = {"script": f"return {expression}", "args": []}
        return self._ask("POST", "/execute/sync", body)

    def resize(self, width: int, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", size)

    def scripts(self, *, allowed: bool) -> None:
        """Whether pages that are opened from now on may run scripts."""
        self._command("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked."""
        rows = self._ask("POST", "/se/log", {"type": "browser"})
        return [str(row["message"]) for row in rows]

    def requested(self) -> list[str]:
        """Addresses that pages have asked for since this was last called.

        Not what the browser's own first tab asks for, which may come late.
        """
        rows = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(row["message"])["message"] for row in rows]
        return [
            str(event["params"]["request"]["url"])
            for event in events
            if event["method"] == "Network.requestWillBeSent"
            and not event["params"]["documentURL"].startswith("chrome:")
        ]

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`, as the person's desktop would say it."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._command("Emulation.setEmulatedMedia", {"features": [feature]})

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _act(self, source: dict[str, Any]) -> None:
        self._ask("POST", "/actions", {"actions": [source]})

    def _command(self, name: str, parameters: dict[str, Any]) -> None:
        """One of Chromium's own commands, beyond what WebDriver has."""
        self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

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
                asked = {
                    "goog:chromeOptions": options,
                    "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                }
                wanted = {"capabilities": {"alwaysMatch": asked}}
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
