"""What an answer of several requests cost, and how far it is."""

from __future__ import annotations

import pytest

from runner.contract import TokenUsage
from runner.model import LiveCount
from runner.model.tokens import TELL_EVERY_S, Meter, Spent, estimate_tokens


def usage(prompt, completion, reasoning=None, cached=None) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cached_prompt_tokens=cached,
    )


UNCOUNTED = TokenUsage()


@pytest.mark.parametrize(
    ("complete", "failed", "total"),
    [
        ([usage(10, 20, 5, 2)], [], usage(10, 20, 5, 2)),
        ([usage(10, 20, 5), usage(30, 40, 6)], [], usage(40, 60, 11)),
        ([usage(10, 20, 5), usage(30, 40)], [], usage(40, 60)),
        ([usage(10, 20), UNCOUNTED], [], UNCOUNTED),
        ([usage(10, 20)], [UNCOUNTED, usage(10, 7)], usage(20, 27)),
        ([], [usage(10, 7)], UNCOUNTED),
    ],
)
def test_sums_only_what_is_known_in_full(complete, failed, total):
    spent = Spent()
    for one in complete:
        spent.add(one, complete=True)
    for one in failed:
        spent.add(one, complete=False)
    assert spent.total() == total
    assert spent.requests == len(complete) + len(failed)


def test_an_estimate_is_rather_too_high():
    assert [estimate_tokens(chars) for chars in (0, 1, 3, 4, 300)] == [0, 1, 1, 2, 100]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_meter_tells_now_and_then_and_adds_up_over_requests():
    told: list[LiveCount] = []
    clock = Clock()
    meter = Meter(told.append, clock)
    meter.update(3, 0)
    meter.update(6, 0)
    clock.now_s += TELL_EVERY_S
    meter.update(9, 3)
    # A request that fails is not part of the answer: the next one starts over.
    clock.now_s += TELL_EVERY_S
    meter.update(3, 0)
    meter.finish(usage(1, 30, 20), 90, 30)
    clock.now_s += TELL_EVERY_S
    meter.update(0, 6)
    meter.finish(UNCOUNTED, 0, 9)
    assert [(count.reasoning_tokens, count.answer_tokens, count.estimated) for count in told] == [
        (1, 0, True),
        (3, 1, True),
        (1, 0, True),
        (20, 10, False),
        (20, 12, True),
        (20, 13, True),
    ]


@pytest.mark.parametrize(
    ("counted", "chars", "count"),
    [
        (usage(1, 10, 4), (30, 30), (4, 6, False)),
        (usage(1, 10), (0, 30), (0, 10, False)),
        # Counted together only: how much of it was thinking is a guess.
        (usage(1, 10), (30, 30), (10, 10, True)),
        (usage(1, 10, 99), (30, 30), (10, 0, False)),
    ],
)
def test_the_last_count_is_the_endpoints_where_it_gives_one(counted, chars, count):
    told: list[LiveCount] = []
    Meter(told.append).finish(counted, *chars)
    (last,) = told
    assert (last.reasoning_tokens, last.answer_tokens, last.estimated) == count
