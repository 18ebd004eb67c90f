"""What the pieces of a stream mean, however odd the endpoint."""

from __future__ import annotations

import pytest

from runner.contract import TokenUsage
from runner.model.stream import BrokenStream, Pieces
from runner.model.thinking import ThinkingCounter, split_thinking


def pieces_of(*events: object) -> Pieces:
    pieces = Pieces()
    for event in events:
        pieces.add(event)
    return pieces


def delta(finish: str | None = None, **fields: object) -> dict:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": {"delta": {"content": "no"}}},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        delta(content=None),
        delta(content=["no"]),
        delta(reasoning_content={"no": "no"}),
        {"usage": None},
        {"usage": "many"},
    ],
)
def test_pieces_that_say_nothing_are_passed_over(odd):
    pieces = pieces_of(delta(content="a"), odd, delta(content="b", finish="stop"))
    pieces.check_end()
    assert pieces.texts() == ("", "ab")


@pytest.mark.parametrize("event", [3, "text", ["list"], None])
def test_what_is_no_piece_at_all_breaks_the_stream(event):
    with pytest.raises(BrokenStream):
        pieces_of(delta(content="a"), event)


@pytest.mark.parametrize("finish", [None, "", "insufficient_system_resource"])
def test_a_stream_that_was_not_ended_is_broken(finish):
    with pytest.raises(BrokenStream):
        pieces_of(delta(content="a", finish=finish)).check_end()


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({}, TokenUsage()),
        (
            {"prompt_tokens": 5, "completion_tokens": 7},
            TokenUsage(prompt_tokens=5, completion_tokens=7),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "prompt_cache_hit_tokens": 4},
            TokenUsage(prompt_tokens=5, completion_tokens=7, cached_prompt_tokens=4),
        ),
        (
            {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}},
            TokenUsage(prompt_tokens=5, cached_prompt_tokens=0),
        ),
        (
            {"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 6}},
            TokenUsage(completion_tokens=7, reasoning_tokens=6),
        ),
        (
            {
                "prompt_tokens": -1,
                "completion_tokens": "7",
                "prompt_tokens_details": None,
                "completion_tokens_details": {"reasoning_tokens": True},
            },
            TokenUsage(),
        ),
    ],
)
def test_takes_the_counts_that_are_counts(usage, counted):
    assert pieces_of({"usage": usage}).usage == counted


def test_the_last_usage_counts():
    first, last = {"completion_tokens": 1}, {"completion_tokens": 2}
    assert (
        pieces_of({"usage": first}, {"usage": last}, {"usage": None}).usage.completion_tokens == 2
    )


def test_half_a_surrogate_pair_is_replaced():
    assert pieces_of(delta(content="a\ud800")).texts() == ("", "a?")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "plain answer",
        "<think>some thought</think>the answer",
        "  \n<think>some thought</think>the answer, with </think> in it",
        "some thought</think>the answer",
        "<think>never closed",
        "<thin> is no tag",
    ],
)
def test_counts_thinking_as_it_is_split_in_the_end(text, size):
    counter = ThinkingCounter()
    for start in range(0, len(text), size):
        counter.add(text[start : start + size])
    thinking, answer = split_thinking(text)
    tags = len(text) - len(thinking) - len(answer)
    thinking_chars, answer_chars = counter.chars
    assert answer_chars == len(answer)
    assert thinking_chars == (len(thinking) + tags if thinking else 0)
