"""What the client makes of GitHub's odder answers: over HTTP, from a server that gives them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from github import Auth

from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api.rest import Gaps, Rest

Answer = tuple[int, dict[str, str], Any]


class Server:
    """Gives `answers` in their order, and keeps what was asked with which token."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.asked.append((self.command, self.path, self.headers["authorization"]))
                status, headers, body = outer.answers.pop(0)
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # the names that the base class asks for

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.http.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.http.shutdown()
    made.http.server_close()


def rest(server: Server, **options: Callable[..., Any]) -> Rest:
    return Rest(Auth.Token("old"), server.url, Gaps(request_s=0, write_s=0), **options)


def test_a_token_that_ended_early_is_renewed_once_and_the_write_repeated(server: Server) -> None:
    server.answers = [(401, {}, {"message": "Bad credentials"}), (201, {}, {"id": 1})]
    client = rest(server, renew=lambda refused: Auth.Token("new"))
    assert client.call("POST", "/x", json={}) == {"id": 1}
    assert [token for _, _, token in server.asked] == ["token old", "token new"]


def test_a_renewed_token_that_is_refused_too_is_an_error(server: Server) -> None:
    server.answers = [(401, {}, {"message": "Bad credentials"})] * 2
    with pytest.raises(GitHubError) as caught:
        rest(server, renew=lambda refused: Auth.Token("new")).call("GET", "/x")
    assert caught.value.status == 401


@pytest.mark.parametrize("status", [307, 308])
def test_a_write_to_a_renamed_repository_follows_it(server: Server, status: int) -> None:
    moved = {"Location": f"{server.url}/repositories/7/issues"}
    server.answers = [(status, moved, {"message": "Moved"}), (201, {}, {"number": 3})]
    assert rest(server).call("POST", "/repos/octo/old/issues", json={}) == {"number": 3}
    assert [path for _, path, _ in server.asked] == [
        "/repos/octo/old/issues",
        "/repositories/7/issues",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait_s"),
    [
        (429, {"Retry-After": "7"}, "Too many requests", 7.0),
        (403, {"Retry-After": "9"}, "You have exceeded a secondary rate limit", 9.0),
        (403, {}, "You have exceeded a secondary rate limit", 60.0),
        (403, {}, "You have triggered an abuse detection mechanism", 60.0),
        (429, {}, "Too many requests", 60.0),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_limit_is_told_at_once_with_the_time_to_wait(
    server: Server, verb: str, status: int, headers: dict[str, str], message: str, wait_s: float
) -> None:
    server.answers = [(status, headers, {"message": message})]
    started_s = time.monotonic()
    with pytest.raises(GitHubUnavailable) as caught:
        rest(server).call(verb, "/x")
    assert caught.value.retry_after_s == wait_s
    assert time.monotonic() - started_s < 5.0
    assert len(server.asked) == 1


def test_the_reset_of_the_limit_is_waited_for(server: Server) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 100)}
    server.answers = [(403, reset, {"message": "Forbidden"})]
    with pytest.raises(GitHubUnavailable) as caught:
        rest(server).call("GET", "/x")
    assert caught.value.retry_after_s is not None
    assert 95 < caught.value.retry_after_s < 102


def test_a_plain_refusal_is_not_tried_again(server: Server) -> None:
    server.answers = [(403, {}, {"message": "Resource not accessible by integration"})]
    with pytest.raises(GitHubError) as caught:
        rest(server).call("POST", "/x", json={})
    assert not isinstance(caught.value, GitHubUnavailable)


@pytest.mark.parametrize(("verb", "asked"), [("GET", 2), ("POST", 1)])
def test_only_reads_are_repeated_after_a_bad_gateway(server: Server, verb: str, asked: int) -> None:
    server.answers = [(502, {}, {"message": "Bad Gateway"}), (200, {}, {"ok": True})]
    if verb == "GET":
        assert rest(server).call(verb, "/x")["ok"]
    else:
        with pytest.raises(GitHubUnavailable):
            rest(server).call(verb, "/x", json={})
    assert len(server.asked) == asked


def test_a_list_paged_by_cursor_is_read_to_its_end(server: Server) -> None:
    link = {"Link": f'<{server.url}/app/hook/deliveries?cursor=v1_2&per_page=100>; rel="next"'}
    server.answers = [(200, link, [1, 2]), (200, {}, [3])]
    assert list(rest(server).cursor_pages("/app/hook/deliveries")) == [1, 2, 3]
    assert "cursor=v1_2" in server.asked[1][1]


def test_creations_are_paced_and_reads_are_not(server: Server) -> None:
    server.answers = [(200, {}, {}), (201, {}, {})]
    paced: list[str] = []
    client = rest(server, before_create=lambda: paced.append("creation"))
    client.call("GET", "/x")
    client.call("POST", "/x", json={})
    assert paced == ["creation"]
