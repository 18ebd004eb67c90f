"""The endpoint client against a real HTTP server on loopback, streaming included."""

from __future__ import annotations

import asyncio

import pytest

from runner.errors import ModelError
from runner.model import LiveCount, Prompt, open_model
from runner.settings import EndpointSettings
from tests.fakes import model_script as script
from tests.fakes.model_script import Pace, Reply
from tests.runner.model.conftest import KEY


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


def test_missing_key_is_said_before_anything_is_asked():
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        open_model("gpt", EndpointSettings(), generation=0)


def test_an_endpoint_of_ones_own_needs_no_key():
    settings = EndpointSettings(addresses={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert open_model("openai:r1", settings, generation=0).name == "r1"


def test_key_is_not_in_the_repr_of_settings():
    assert KEY not in repr(EndpointSettings(keys={"OPENAI_API_KEY": KEY}))
