"""The endpoint client against a real HTTP server on loopback, streaming included."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime

import openai
import pytest

from runner.errors import EndpointError, ModelError
from runner.model import LiveCount, Prompt, open_model
from runner.model.http import httpx
from runner.model.retry import retry_after_s
from runner.settings import EndpointSettings
from tests.fakes import model_script as script
from tests.fakes.model_script import Pace, Reply, in_order, sometimes
from tests.runner.model.conftest import KEY, QUICK


def test_streams_an_answer_and_counts_its_tokens(serve, ask):
    server = serve(lambda call: Reply(content="hello", reasoning="hm" * 10))
    answer = ask(server.url)
    assert (answer.model, answer.content, answer.reasoning) == ("r1", "hello", "hm" * 10)
    assert answer.tokens.model_dump() == {
        "prompt_tokens": 2,
        "cached_prompt_tokens": None,
        "reasoning_tokens": 5,
        "completion_tokens": 7,
    }
    assert (answer.cut, answer.requests, answer.shortened) == (False, 1, 0)


def test_asks_as_deepseek_advises_for_r1(serve, ask):
    server = serve()
    ask(server.url)
    (request,) = [served.ask for served in server.served]
    assert request.body["messages"] == [{"role": "user", "content": "write"}]
    assert (request.body["temperature"], request.body["top_p"]) == (0.6, 0.95)
    assert (request.body["stream"], request.body["max_tokens"]) == (True, 32_768)
    assert (request.key, request.attempt) == (KEY, 1)


def test_leaves_out_parameters_that_a_model_refuses(serve, ask):
    server = serve()
    ask(server.url, sampling={"temperature": None, "top_p": None}, max_answer_tokens=None)
    assert not {"temperature", "top_p", "max_tokens"} & set(server.served[0].ask.body)


@pytest.mark.parametrize(
    ("reply", "reasoning", "content"),
    [
        pytest.param(Reply("code", "I think"), "I think", "code", id="reasoning_content"),
        pytest.param(
            Reply("code", "I think", reasoning_name="reasoning"),
            "I think",
            "code",
            id="reasoning of vLLM",
        ),
        pytest.param(
            Reply("<think>I think</think>\n\ncode"), "I think", "code", id="tags cut by the stream"
        ),
        pytest.param(
            Reply("I think</think>code"), "I think", "code", id="opening tag in the template"
        ),
    ],
)
def test_keeps_thinking_apart_from_the_answer(serve, ask, reply, reasoning, content):
    answer = ask(serve(lambda call: reply).url)
    assert (answer.reasoning, answer.content) == (reasoning, content)


def test_an_endpoint_that_does_not_count_leaves_the_tokens_unknown(serve, ask):
    answer = ask(serve(lambda call: Reply("hello", counted=False)).url)
    assert set(answer.tokens.model_dump().values()) == {None}


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
    answer = ask(server.url, idle_timeout_s=0.2)
    assert (answer.content, answer.requests) == ("hello", 2)
    assert [served.outcome for served in server.settle()] == [fault.kind, "answered"]


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


def test_a_cancelled_answer_does_not_linger(serve, open_endpoint):
    server = serve(faults=lambda call: script.STALLED)

    async def cancel():
        model = open_endpoint(server.url)
        task = asyncio.ensure_future(model.answer(Prompt(attempt=1, text="x", time_left_s=60)))
        while server.peak == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
        await model.close()

    asyncio.run(cancel())


def test_tells_how_far_it_is_while_the_answer_comes(serve, ask):
    told: list[LiveCount] = []
    reply = Reply(content="c" * 1200, reasoning="r" * 1200)
    server = serve(lambda call: reply, pace=Pace(tokens_per_s=1000.0, pieces=24))
    ask(server.url, progress=told.append)
    assert 2 <= len(told) <= 5
    assert all(count.estimated for count in told[:-1])
    assert told[-1] == LiveCount(reasoning_tokens=300, answer_tokens=300, estimated=False)
    totals = [count.reasoning_tokens + count.answer_tokens for count in told[:-1]]
    assert totals == sorted(totals)


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
    server.settle()
    for number, answer in enumerate(answers, start=1):
        assert answer.content.rstrip("\ufffd") == f"answer {number} " * 20
        mine = [served for served in server.served if served.ask.attempt == number]
        assert answer.requests == len(mine)
        # Whole only once: whatever else was paid for was cut.
        assert sum(served.outcome in ("answered", "not_utf8") for served in mine) == 1
    assert sum(served.outcome != "answered" for served in server.served) >= 8
    assert server.peak > 8


def test_missing_key_is_said_before_anything_is_asked():
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        open_model("gpt", EndpointSettings(), generation=0)


def test_an_endpoint_of_ones_own_needs_no_key():
    settings = EndpointSettings(addresses={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert open_model("openai:r1", settings, generation=0).name == "r1"


def test_key_is_not_in_the_repr_of_settings():
    assert KEY not in repr(EndpointSettings(keys={"OPENAI_API_KEY": KEY}))
