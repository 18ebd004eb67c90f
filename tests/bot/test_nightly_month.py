"""A month of nights: what is reported is what happened, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.night_month import Month
from tests.fakes.night_simulation import Event

KERNELS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
SLOWER = Event(kernel="gamma", first=9, end=20, slower=0.06)
WRONG = Event(kernel="epsilon", first=15, end=22, leg="newest", wrong=True)
# Nights until what happened is settled: a suspicion has to be shown twice in one night.
PATIENCE_NIGHTS = 4


@pytest.fixture
def month(fake: Any, tools: Any, steps: Any, tmp_path: Path) -> Any:
    now = [0.0]
    ours = dataclasses.replace(tools, now_s=lambda: now[0])

    def make(seed: int, *events: Event) -> Month:
        made = Month(
            fake=fake, tools=ours, steps=lambda: type(steps)(ours), now=now,
            folder=tmp_path, seed=seed, events=events,
        )  # fmt: skip
        made.merge(KERNELS)
        return made

    return make


def open_now(fake: Any) -> set[str]:
    return {title for number, title in fake.titles.items() if fake.issues[number].is_open}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exactly_what_happened_is_reported_and_closed_after_recovery(
    month: Any, fake: Any, seed: int
) -> None:
    slow, wrong = "night: gamma is slower than recorded", "night: epsilon is wrong"
    played = month(seed, SLOWER, WRONG)
    seen: list[set[str]] = []
    for night in range(30):
        played.play(night)
        seen.append(open_now(fake))

    assert set().union(*seen) == {slow, wrong}
    for title, event in ((slow, SLOWER), (wrong, WRONG)):
        nights = [night for night in range(30) if title in seen[night]]
        assert event.first <= nights[0] <= event.first + PATIENCE_NIGHTS
        assert event.end <= nights[-1] + 1 <= event.end + PATIENCE_NIGHTS
        # One issue, open without a break: nobody is told twice.
        assert nights == list(range(nights[0], nights[-1] + 1))
    assert len(fake.titles) == 2
    # Opening notifies by itself; the only comment is the one that closes.
    assert [len(fake.threads[number]) for number in fake.titles] == [1, 1]
    assert all("is well again" in fake.said(number) for number in fake.titles)
    assert len(fake.history("kernelwright-data")) == 30
