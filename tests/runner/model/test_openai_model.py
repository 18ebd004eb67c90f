"""The endpoint client against a real HTTP server on loopback, streaming included."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runner.errors import ModelError
from runner.model import Prompt, open_model
from runner.model.openai import OpenAIModel, RetryPolicy
from runner.settings import EndpointSettings

QUICK = RetryPolicy(tries=3, first_wait_s=0.01, max_wait_s=0.02)
KEY = "sk-a-secret-that-nobody-may-see"


def chunk(content=None, *, finish=None, **delta) -> dict:
    """One piece of a streamed answer."""
    body = {"content": content, **delta}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": body, "finish_reason": finish}],
    }


USAGE = {
    "id": "x",
    "object": "chat.completion.chunk",
    "created": 0,
    "model": "m",
    "choices": [],
    "usage": {
        "prompt_tokens": 7,
        "completion_tokens": 11,
        "total_tokens": 18,
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}
DONE = "[DONE]"
HELLO = [chunk("hel"), chunk("lo", finish="stop"), USAGE, DONE]


class Endpoint:
    """An HTTP server that gives the scripted responses in order and keeps the requests.

    A response is (status, headers, events): events are streamed for 200, otherwise the body.
    """

    def __init__(self, responses) -> None:
        self.responses = list(responses)
        self.requests: list[dict] = []
        self.keys: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                endpoint.requests.append(json.loads(self.rfile.read(length)))
                endpoint.keys.append(self.headers["authorization"])
                status, headers, events = endpoint.responses.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                kind = "text/event-stream" if status == 200 else "application/json"
                self.send_header("content-type", kind)
                self.send_header("connection", "close")
                self.end_headers()
                if status != 200:
                    self.wfile.write(json.dumps({"error": {"message": events}}).encode())
                    return
                for event in events:
                    if callable(event):
                        event()
                        continue
                    data = event if isinstance(event, str) else json.dumps(event)
                    self.wfile.write(f"data: {data}\n\n".encode())
                    self.wfile.flush()

            def log_message(self, *args) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    endpoints = []

    def start(*responses) -> Endpoint:
        endpoints.append(Endpoint(responses))
        return endpoints[-1]

    yield start
    for endpoint in endpoints:
        endpoint.close()


def ask(url: str, *, time_left_s: float = 60.0, retries: RetryPolicy = QUICK, **settings):
    async def once():
        model = OpenAIModel("r1", EndpointSettings(base_url=url, api_key=KEY, **settings), retries)
        try:
            return await model.answer(Prompt(attempt=1, text="write", time_left_s=time_left_s))
        finally:
            await model.close()

    return asyncio.run(once())


def test_streams_an_answer_and_counts_its_tokens(serve):
    endpoint = serve((200, {}, HELLO))
    answer = ask(endpoint.url)
    assert (answer.model, answer.content, answer.reasoning) == ("r1", "hello", "")
    assert answer.tokens.model_dump() == {
        "prompt_tokens": 7,
        "reasoning_tokens": 5,
        "completion_tokens": 11,
    }
    assert not answer.cut


def test_asks_as_deepseek_advises_for_r1(serve):
    endpoint = serve((200, {}, HELLO))
    ask(endpoint.url)
    request = endpoint.requests[0]
    assert request["messages"] == [{"role": "user", "content": "write"}]
    assert (request["temperature"], request["top_p"]) == (0.6, 0.95)
    assert request["stream"] is True
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_leaves_out_parameters_that_a_model_refuses(serve):
    endpoint = serve((200, {}, HELLO))
    ask(endpoint.url, temperature=None, top_p=None, max_answer_tokens=None)
    assert not {"temperature", "top_p", "max_tokens"} & set(endpoint.requests[0])


@pytest.mark.parametrize(
    ("events", "reasoning", "content"),
    [
        pytest.param(
            [chunk(reasoning_content="I "), chunk(reasoning_content="think"), chunk("code")],
            "I think",
            "code",
            id="reasoning_content of DeepSeek",
        ),
        pytest.param(
            [chunk(reasoning="I think"), chunk("code")], "I think", "code", id="reasoning of vLLM"
        ),
        pytest.param(
            [chunk("<thi"), chunk("nk>I think</th"), chunk("ink>\n\ncode")],
            "I think",
            "code",
            id="think tags cut by the stream",
        ),
        pytest.param(
            [chunk("I think</think>code")], "I think", "code", id="opening tag in the template"
        ),
    ],
)
def test_keeps_thinking_apart_from_the_answer(serve, events, reasoning, content):
    endpoint = serve((200, {}, [*events, chunk("", finish="stop"), DONE]))
    answer = ask(endpoint.url)
    assert (answer.reasoning, answer.content) == (reasoning, content)
    assert answer.tokens.completion_tokens is None


def test_says_that_an_answer_was_cut(serve):
    endpoint = serve((200, {}, [chunk("half", finish="length"), DONE]))
    assert ask(endpoint.url).cut


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param((429, {"retry-after": "0"}, "slow down"), id="429 with retry-after"),
        pytest.param((429, {}, "slow down"), id="429 without header"),
        pytest.param((500, {}, "oops"), id="500"),
        pytest.param((503, {}, "loading"), id="503"),
        pytest.param((200, {}, [chunk("ha")]), id="stream that breaks off"),
        pytest.param((200, {}, [chunk("ha"), "{no json"]), id="stream with a broken piece"),
        pytest.param(
            (200, {}, [{"error": {"message": "out of memory"}}]), id="error event in the stream"
        ),
    ],
)
def test_asks_again_after_a_passing_failure(serve, failure):
    endpoint = serve(failure, (200, {}, HELLO))
    assert ask(endpoint.url).content == "hello"
    assert len(endpoint.requests) == 2


def test_asks_again_after_a_stream_that_stalls(serve):
    released = threading.Event()
    stall = (200, {}, [chunk("ha"), lambda: released.wait(5)])
    endpoint = serve(stall, (200, {}, HELLO))
    assert ask(endpoint.url, idle_timeout_s=0.2).content == "hello"
    released.set()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "bad key", "refused the key (401): check OPENAI_API_KEY"),
        (403, "not yours", "refused the key (403): check OPENAI_API_KEY"),
        (404, "no such model", "knows no model 'r1' (404): check KERNELWRIGHT_MODEL"),
        (400, "context\ntoo long", "answered 400 to model 'r1': "),
    ],
)
def test_gives_up_at_once_where_asking_again_cannot_help(serve, status, body, words):
    endpoint = serve((status, {}, body), (200, {}, HELLO))
    with pytest.raises(ModelError) as caught:
        ask(endpoint.url)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert KEY not in message
    assert len(endpoint.requests) == 1


def test_gives_up_after_so_many_tries(serve):
    endpoint = serve(*[(500, {}, "oops")] * 5)
    with pytest.raises(ModelError, match=r"answered 500 to model 'r1': .*oops"):
        ask(endpoint.url)
    assert len(endpoint.requests) == QUICK.tries


def test_never_waits_past_the_budget(serve):
    endpoint = serve((429, {"retry-after": "3600"}, "slow down"), (200, {}, HELLO))
    with pytest.raises(ModelError, match="429"):
        ask(endpoint.url, time_left_s=5.0)
    assert len(endpoint.requests) == 1


def test_waits_as_long_as_the_endpoint_asks(serve):
    endpoint = serve((429, {"retry-after": "0.3"}, "slow down"), (200, {}, HELLO))
    began_s = time.monotonic()
    ask(endpoint.url)
    assert time.monotonic() - began_s >= 0.3


def test_names_an_endpoint_that_nobody_serves():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ModelError, match=rf"no complete answer from http://127.0.0.1:{port}/v1"):
        ask(f"http://127.0.0.1:{port}/v1")


def test_a_cancelled_answer_does_not_linger(serve):
    released = threading.Event()
    endpoint = serve((200, {}, [chunk("ha"), lambda: released.wait(5)]))

    async def cancel():
        model = OpenAIModel("r1", EndpointSettings(base_url=endpoint.url, api_key=KEY), QUICK)
        task = asyncio.ensure_future(model.answer(Prompt(attempt=1, text="x", time_left_s=60)))
        while not endpoint.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
        await model.close()

    asyncio.run(cancel())
    released.set()


def test_missing_key_is_said_before_anything_is_asked():
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        open_model("gpt", EndpointSettings(), generation=0)


def test_an_endpoint_of_ones_own_needs_no_key():
    model = open_model(
        "openai:r1", EndpointSettings(base_url="http://127.0.0.1:9/v1"), generation=0
    )
    assert model.name == "r1"


def test_key_is_not_in_the_repr_of_settings():
    assert KEY not in repr(EndpointSettings(api_key=KEY))
