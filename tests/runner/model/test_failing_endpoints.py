"""What becomes of requests that fail, in every way an endpoint can fail them."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime

import openai
import pytest

from runner.errors import EndpointError, ModelError
from runner.model import Prompt
from runner.model.http import httpx
from runner.model.retry import retry_after_s
from tests.fakes import model_script as script
from tests.fakes.model_script import Pace, Reply, in_order, sometimes
from tests.runner.model.conftest import KEY, QUICK


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(script.SLOW_DOWN_BRIEFLY, id="429 with retry-after"),
        pytest.param(script.SLOW_DOWN, id="429 without header"),
        pytest.param(script.OUT_OF_ORDER, id="500"),
        pytest.param(script.OVERLOADED, id="503"),
        pytest.param(script.RESET, id="connection reset"),
        pytest.param(script.BROKEN, id="stream that breaks off"),
        pytest.param(script.STALLED, id="stream that stalls"),
        pytest.param(script.KEEP_ALIVE, id="stream of nothing but keep-alive comments"),
        pytest.param(script.GARBAGE, id="stream with a broken piece"),
        pytest.param(script.ERROR_EVENT, id="error event in the stream"),
        pytest.param(script.INTERRUPTED, id="endpoint out of resources half-way"),
    ],
)
def test_asks_again_after_a_passing_failure(serve, ask, fault):
    server = serve(faults=in_order([fault]))
    # A machine under load pauses as well: only where nothing else ends the request it is cut short.
    silent = fault in (script.STALLED, script.KEEP_ALIVE)
    answer = ask(server.url, idle_timeout_s=1.0 if silent else 30.0)
    assert (answer.content, answer.requests) == ("hello", 2)
    assert [served.outcome for served in server.served] == [fault.kind, "answered"]


def test_bytes_that_are_no_utf8_cost_a_character_and_not_the_answer(serve, ask):
    server = serve(faults=in_order([script.NOT_UTF8]))
    assert ask(server.url).content == "hello\ufffd"
    assert len(server.served) == 1


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "key", "refused the key (401): check OPENAI_API_KEY"),
        (403, "key", "refused the key (403): check OPENAI_API_KEY"),
        (402, "balance", "wants to be paid first (402): no [key]"),
        (404, "model", "knows no model 'r1' (404): check KERNELWRIGHT_MODEL"),
        (400, "request", "answered 400 to model 'r1': no [key]"),
    ],
)
def test_gives_up_at_once_where_asking_again_cannot_help(serve, ask, status, kind, words):
    fault = script.Fault(kind="status", status=status, message=f"no\n{KEY}")
    server = serve(faults=in_order([fault]))
    with pytest.raises(EndpointError) as caught:
        ask(server.url)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert KEY not in message
    assert (caught.value.kind, caught.value.tries, len(server.served)) == (kind, 1, 1)


def test_an_unknown_model_is_told_which_ones_there_are(serve, ask):
    server = serve(models=("deepseek-ai/deepseek-r1", "meta/llama", "other/embedding"))
    with pytest.raises(EndpointError, match="it serves deepseek-ai/deepseek-r1") as caught:
        ask(server.url, model="deepseek-ai/deepseek-r2")
    assert caught.value.kind == "model"


def test_gives_up_after_so_many_tries_and_says_how_many(serve, ask):
    server = serve(faults=lambda call: script.OUT_OF_ORDER)
    with pytest.raises(EndpointError, match=r"answered 500 to model 'r1' in 3 tries: .*") as caught:
        ask(server.url)
    assert (caught.value.kind, caught.value.tries) == ("unreachable", QUICK.tries)
    assert len(server.served) == QUICK.tries


def test_an_endpoint_that_has_answered_is_given_time_to_come_back(serve, open_endpoint):
    outage = [None, *[script.OVERLOADED] * (2 * QUICK.tries)]
    server = serve(faults=in_order(outage))

    async def run():
        model = open_endpoint(server.url)
        for number in (1, 2):
            answer = await model.answer(Prompt(attempt=number, text="write", time_left_s=60))
        await model.close()
        return answer

    assert asyncio.run(run()).requests == 2 * QUICK.tries + 1


def test_a_stream_that_fell_silent_is_called_so(serve, ask):
    server = serve(faults=lambda call: script.KEEP_ALIVE)
    with pytest.raises(EndpointError, match=r"in 3 tries: the stream fell silent for 0\.1 s"):
        ask(server.url, idle_timeout_s=0.1)


@pytest.mark.parametrize("after", ["3600", "Wed, 01 Jan 2070 00:00:00 GMT"])
def test_never_waits_past_the_budget(serve, ask, after):
    fault = script.Fault(kind="status", status=429, message="slow down", retry_after=after)
    server = serve(faults=in_order([fault]))
    began_s = time.monotonic()
    with pytest.raises(EndpointError, match="429"):
        ask(server.url, time_left_s=5.0)
    assert time.monotonic() - began_s < 5.0
    assert len(server.served) == 1


def test_waits_as_long_as_the_endpoint_asks(serve, ask):
    fault = script.Fault(kind="status", status=429, message="slow down", retry_after="0.3")
    server = serve(faults=in_order([fault]))
    ask(server.url)
    first, second = server.served
    assert second.began_s - first.ended_s >= 0.3


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Mon, 02 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 02 Nov 2026 10:00:30", 30.0),
        ("Mon, 02 Nov 2026 11:00:30 +0100", 30.0),
        ("Mon, 02 Nov 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("", None),
    ],
)
def test_reads_retry_after_as_seconds_or_as_a_date(header, wait_s):
    response = httpx.Response(
        429, headers={"retry-after": header}, request=httpx.Request("POST", "http://x")
    )
    error = openai.RateLimitError("slow down", response=response, body=None)
    assert retry_after_s(error, datetime(2026, 11, 2, 10, 0, tzinfo=UTC)) == wait_s


def test_names_an_endpoint_that_nobody_serves(ask):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(EndpointError) as caught:
        ask(f"http://127.0.0.1:{port}/v1")
    assert f"no complete answer from http://127.0.0.1:{port}/v1 in 3 tries: " in str(caught.value)
    assert "check OPENAI_BASE_URL and the network" in str(caught.value)
    assert caught.value.kind == "unreachable"


def test_a_host_name_that_does_not_resolve_is_tried_again_and_then_named(ask):
    # RFC 2606 keeps .invalid free of hosts for ever.
    with pytest.raises(EndpointError, match=r"http://no-such-host\.invalid/v1 in 3 tries: "):
        ask("http://no-such-host.invalid/v1")


def test_an_address_that_is_none_is_one_line(open_endpoint):
    with pytest.raises(ModelError, match="cannot use the endpoint 'http://host:port'"):
        open_endpoint("http://host:port")


def test_many_streams_lose_and_double_nothing_while_calls_fail_in_every_way(serve, open_endpoint):
    server = serve(
        lambda call: Reply(content=f"answer {call.attempt} " * 20, reasoning="hm " * 200),
        faults=sometimes(0.2, seed=3),
        pace=Pace(first_token_s=0.01),
    )

    async def run():
        model = open_endpoint(
            server.url,
            idle_timeout_s=0.2,
            policy=type(QUICK)(tries=8, first_wait_s=0.01, max_wait_s=0.02),
        )
        prompts = [Prompt(attempt=n, text="write", time_left_s=60) for n in range(1, 61)]
        answers = await asyncio.gather(*(model.answer(prompt) for prompt in prompts))
        await model.close()
        return answers

    answers = asyncio.run(run())
    for number, answer in enumerate(answers, start=1):
        assert answer.content.rstrip("\ufffd") == f"answer {number} " * 20
        mine = [served for served in server.served if served.ask.attempt == number]
        assert answer.requests == len(mine)
        # Whole only once: whatever else was paid for was cut.
        assert sum(served.outcome in ("answered", "not_utf8") for served in mine) == 1
    assert sum(served.outcome != "answered" for served in server.served) >= 8
    assert server.peak > 8
