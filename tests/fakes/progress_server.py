"""The other end of live progress: GitHub's token endpoint and the bot's `/progress`, over HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from runner.run_progress import RunProgress
from runner.settings import ProgressSettings

SECRET = "what-the-runner-gave-to-the-job"


def unsigned_token(number: int, lifetime_s: float) -> str:
    """In the form of a token, each different: nobody here checks a signature."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'exp': time.time() + lifetime_s, 'n': number})}.x"


@dataclass
class Ends:
    """Both ends. `answer` decides on each post: a status, and headers."""

    url: str = ""
    answer: Callable[[int], tuple[int, dict[str, str]]] = lambda count: (202, {})
    token_status: int = 200
    token_lifetime_s: float = 300.0
    posts: list[RunProgress] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)
    elsewhere: int = 0
    hangs: threading.Event | None = None

    def settings(self, **changes: str) -> ProgressSettings:
        fields = {
            "url": f"{self.url}/progress",
            "audience": "kernelwright & more",
            "token_request_url": f"{self.url}/token?api-version=2.0",
            "token_request_token": SECRET,
            **changes,
        }
        return ProgressSettings(**fields)

    def wait_for(self, posts: int) -> None:
        deadline_s = time.monotonic() + 20
        while len(self.posts) < posts:
            assert time.monotonic() < deadline_s, f"{len(self.posts)} posts came"
            time.sleep(0.005)


@contextmanager
def both_ends() -> Iterator[Ends]:
    """Both ends on one server, while this lasts."""
    ends = Ends()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/elsewhere"):
                ends.elsewhere += 1
            asked = parse_qs(urlsplit(self.path).query)
            assert self.headers["Authorization"] == f"Bearer {SECRET}"
            assert asked["api-version"] == ["2.0"]
            ends.audiences += asked["audience"]
            token = unsigned_token(len(ends.audiences), ends.token_lifetime_s)
            self._say(ends.token_status, {"value": token})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if ends.hangs is not None:
                ends.hangs.wait(20)
            ends.bearers.append(self.headers["Authorization"].removeprefix("Bearer "))
            ends.posts.append(RunProgress.model_validate_json(body, strict=True))
            status, headers = ends.answer(len(ends.posts))
            self._say(status, {"error": "as the test\nwants it"}, headers)

        def _say(self, status: int, document: Any, headers: Any = None) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    ends.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield ends
    finally:
        if ends.hangs is not None:
            ends.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join()
