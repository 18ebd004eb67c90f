"""Answers that end at a length limit, and prompts that are too long."""

from __future__ import annotations

import pytest

from runner.errors import EndpointError
from runner.model.resume import GO_ON, LESS_THINKING, join
from tests.fakes import model_script as script
from tests.fakes.model_script import Reply, in_order
from tests.runner.model.conftest import QUICK

CODE = "```python\ndef f(x):\n    return x\n```\n"
THOUGHT = "hm " * 100


def messages(server) -> list[list[dict]]:
    return [served.ask.body["messages"] for served in server.served]


@pytest.mark.parametrize("preset", ["openai", "deepseek", "nim", "vllm"])
def test_a_cut_answer_is_continued_and_paid_for_in_full(serve, ask, preset):
    server = serve(lambda call: Reply(CODE, THOUGHT), faults=in_order([script.CUT]))
    answer = ask(server.url, preset=preset)
    assert (answer.content, answer.cut, answer.requests) == (CODE, False, 2)
    assert answer.reasoning == THOUGHT
    first, second = server.served
    assert first.content + second.content == CODE
    assert answer.tokens.completion_tokens == 75 + 5 + 5
    assert answer.tokens.prompt_tokens == 2 + -(
        -sum(len(m["content"]) for m in messages(server)[1]) // 4
    )


def test_deepseek_continues_its_own_prefix_with_its_thinking(serve, ask):
    server = serve(lambda call: Reply(CODE, THOUGHT), faults=in_order([script.CUT]))
    ask(server.url, preset="deepseek")
    partial = {
        "role": "assistant",
        "content": CODE[: len(CODE) // 2],
        "prefix": True,
        "reasoning_content": THOUGHT,
    }
    assert messages(server)[1] == [{"role": "user", "content": "write"}, partial]
    assert server.served[1].ask.path == "/v1/beta/chat/completions"


def test_vllm_continues_its_last_message_and_may_call_it_thinking(serve, ask):
    def skill(call):
        # What a reasoning parser makes of a text without </think>.
        return Reply("", CODE[len(call.partial) :]) if call.partial else Reply(CODE, THOUGHT)

    server = serve(skill, faults=in_order([script.CUT]), think_on=True)
    answer = ask(server.url, preset="vllm")
    assert (answer.content, answer.reasoning) == (CODE, THOUGHT)
    body = server.served[1].ask.body
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]


def test_any_other_endpoint_is_asked_to_go_on_in_a_further_turn(serve, ask):
    server = serve(lambda call: Reply(CODE), faults=in_order([script.CUT]))
    ask(server.url)
    assert [message["role"] for message in messages(server)[1]] == ["user", "assistant", "user"]
    assert messages(server)[1][2]["content"] == GO_ON


def test_an_endpoint_that_refuses_its_vendors_way_is_asked_in_a_further_turn(serve, ask):
    refused = script.Fault(kind="status", status=422, message="what is a prefix?")
    server = serve(lambda call: Reply(CODE), faults=in_order([script.CUT, refused]))
    answer = ask(server.url, preset="deepseek")
    assert (answer.content, answer.cut, answer.requests) == (CODE, False, 3)
    assert messages(server)[2][2]["content"] == GO_ON


def test_continuing_ends_after_so_many_times_and_says_that_it_is_cut(serve, ask):
    server = serve(lambda call: Reply(CODE * 9), faults=lambda call: script.CUT)
    answer = ask(server.url)
    assert answer.cut
    assert answer.requests == 1 + 3
    assert (CODE * 9).startswith(answer.content)
    assert len(answer.content) > len(CODE * 9) // 2


@pytest.mark.parametrize("fault", [script.CUT, script.ALL_THOUGHT])
def test_nothing_is_begun_that_the_budget_does_not_cover(serve, ask, fault):
    pace = script.Pace(first_token_s=0.1)
    server = serve(lambda call: Reply(CODE, THOUGHT), faults=in_order([fault]), pace=pace)
    answer = ask(server.url, time_left_s=0.05)
    assert (answer.cut, len(server.served)) == (True, 1)


@pytest.mark.parametrize("after", [script.UNAUTHORIZED, script.OUT_OF_ORDER, script.TOO_LONG])
def test_what_was_paid_for_is_kept_when_going_on_fails(serve, ask, after):
    server = serve(lambda call: Reply(CODE), faults=in_order([script.CUT, *[after] * 10]))
    answer = ask(server.url)
    assert (answer.content, answer.cut) == (CODE[: len(CODE) // 2], True)
    assert answer.tokens.completion_tokens == 5
    # Soon: the half that is there waits for its verdict.
    assert len(server.served) <= 1 + QUICK.tries


def test_an_answer_that_was_all_thinking_is_asked_for_with_less(serve, ask):
    server = serve(lambda call: Reply(CODE, THOUGHT), faults=in_order([script.ALL_THOUGHT]))
    answer = ask(server.url)
    assert (answer.content, answer.cut, answer.requests) == (CODE, False, 2)
    assert messages(server)[1] == [{"role": "user", "content": f"write\n\n{LESS_THINKING}"}]
    # Both were paid for, and both are kept.
    assert answer.reasoning == f"{THOUGHT}\n\n{THOUGHT}"
    assert answer.tokens.reasoning_tokens == 150


def test_deepseek_is_told_the_lower_effort_as_well(serve, ask):
    server = serve(lambda call: Reply(CODE, THOUGHT), faults=in_order([script.ALL_THOUGHT]))
    ask(server.url, preset="deepseek")
    first, second = [served.ask.body for served in server.served]
    assert "reasoning_effort" not in first
    assert second["reasoning_effort"] == "low"


def test_two_hundred_kilobytes_of_thinking_and_no_answer_end_after_so_many_times(serve, ask):
    thought = "wait, " * 34_000
    server = serve(lambda call: Reply("", thought), faults=lambda call: script.ALL_THOUGHT)
    answer = ask(server.url)
    assert (answer.content, answer.cut, answer.requests) == ("", True, 1 + 2)
    assert len(answer.reasoning) > 3 * 200_000


def test_thinking_in_tags_that_never_close_is_no_answer_either(serve, ask):
    server = serve(
        lambda call: Reply("<think>" + THOUGHT + "</think>" + CODE), faults=in_order([script.CUT])
    )
    answer = ask(server.url)
    assert messages(server)[1][0]["content"].endswith(LESS_THINKING)
    assert (answer.content, answer.cut) == (CODE, False)


@pytest.mark.parametrize(
    ("message", "code", "status"),
    [
        ("This model's maximum context length is 65536 tokens.", "invalid_request_error", 400),
        ("too many", "context_length_exceeded", 400),
        ("The input (514881 tokens) is longer than the model's context length", None, 400),
        ("the request exceeds the available context size", None, 400),
        ("payload too large", None, 413),
    ],
)
def test_a_prompt_that_the_endpoint_finds_too_long_is_shortened_step_by_step(
    serve, ask, message, code, status
):
    too_long = script.Fault(kind="status", status=status, message=message, code=code)
    server = serve(faults=in_order([too_long, too_long]))
    answer = ask(server.url, text="task a b c", shorter=("task b c", "task c", "task"))
    assert [asked[0]["content"] for asked in messages(server)] == [
        "task a b c",
        "task b c",
        "task c",
    ]
    assert (answer.shortened, answer.requests) == (2, 3)


def test_a_prompt_over_the_stated_context_is_never_sent(serve, ask):
    server = serve()
    answer = ask(
        server.url,
        text="x" * 3_000,
        shorter=("y" * 900, "z" * 30),
        context_tokens=1_200,
        max_answer_tokens=900,
    )
    assert [asked[0]["content"] for asked in messages(server)] == ["y" * 900]
    assert answer.shortened == 1


def test_a_task_that_does_not_fit_at_all_says_so(serve, ask):
    server = serve(faults=lambda call: script.TOO_LONG)
    with pytest.raises(EndpointError, match="too long for the context of 'r1': some 2 tokens") as e:
        ask(server.url, text="task a", shorter=("task",))
    assert (e.value.kind, e.value.tries) == ("context", 2)


@pytest.mark.parametrize(
    ("content", "rest", "whole"),
    [
        pytest.param("def f", "(x): pass", "def f(x): pass", id="goes on in the line"),
        pytest.param(
            "```python\na = 1\n",
            "```python\nb = 2\n```",
            "```python\na = 1\nb = 2\n```",
            id="fence again",
        ),
        pytest.param(
            "```python\nimport torch\nx = 1",
            "```python\nimport torch\nx = 2\n```",
            "```python\nimport torch\nx = 1\n```\n\n```python\nimport torch\nx = 2\n```",
            id="the whole code again after one line",
        ),
        pytest.param(
            "```python\nimport torch\nimport triton\nx",
            "```python\nimport torch\nimport triton\nx = 2\n```",
            "```python\nimport torch\nimport triton\nx\n```\n\n"
            "```python\nimport torch\nimport triton\nx = 2\n```",
            id="the whole code again",
        ),
        pytest.param(
            "line one\n    acc = tl.dot(a",
            "    acc = tl.dot(a, b)\n",
            "line one\n    acc = tl.dot(a, b)\n",
            id="the last line again",
        ),
        pytest.param(
            "a = 1\nb = 2\nc = 3\nd = 4\n",
            "c = 3\nd = 4\ne = 5\n",
            "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n",
            id="the last lines again",
        ),
        pytest.param(
            "x, x, x, x, x, x, ",
            "x, x, x, x, x, x]",
            "x, x, x, x, x, x, x, x, x, x, x, x]",
            id="meant",
        ),
        pytest.param("    )\n", "    )\n", "    )\n    )\n", id="too short to be a repeat"),
        pytest.param(
            "```python\na = 1\n", "```\nDone.", "```python\na = 1\n```\nDone.", id="the block's end"
        ),
    ],
)
def test_joins_two_parts_of_an_answer(content, rest, whole):
    assert join(content, rest) == whole
