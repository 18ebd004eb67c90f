"""A day's runs: who has used them up, and when the next is possible."""

from __future__ import annotations

import pytest

from bot.caps import WINDOW_S, cap_reached
from bot.config import CapsConfig
from bot.records import RunStarted

NOW_S = 1_000_000.0
HOUR_S = 3600.0


def runs(*rows: tuple[str, float]) -> list[RunStarted]:
    """Rows of who, and how many hours ago."""
    return [RunStarted(sender=sender, at_s=NOW_S - hours * HOUR_S) for sender, hours in rows]


def test_without_caps_nothing_is_counted() -> None:
    assert cap_reached(runs(*[("mona", 1.0)] * 500), CapsConfig(), "mona", NOW_S) is None


def test_a_person_may_start_again_when_the_oldest_run_is_a_day_old() -> None:
    caps = CapsConfig(per_person_per_day=2)
    started = runs(("mona", 20), ("Mona", 3), ("hubot", 1), ("mona", 30))
    reached = cap_reached(started, caps, "mona", NOW_S)
    assert reached is not None
    assert (reached.whose, reached.limit) == ("person", 2)
    assert reached.free_at_s == NOW_S + 4 * HOUR_S
    assert cap_reached(started, caps, "mona", reached.free_at_s) is None
    assert cap_reached(started, caps, "hubot", NOW_S) is None


def test_a_lower_cap_than_runs_waits_until_enough_have_left_the_window() -> None:
    started = runs(("a", 23), ("b", 10), ("c", 5))
    reached = cap_reached(started, CapsConfig(per_repository_per_day=2), "d", NOW_S)
    assert reached is not None
    assert reached.free_at_s == NOW_S - 10 * HOUR_S + WINDOW_S


@pytest.mark.parametrize(("own_hours", "whose"), [(2.0, "person"), (22.0, "repository")])
def test_of_two_caps_the_one_that_lasts_longer_is_said(own_hours: float, whose: str) -> None:
    caps = CapsConfig(per_person_per_day=1, per_repository_per_day=2)
    started = runs(("mona", own_hours), ("hubot", 12), ("hubot", 11))
    reached = cap_reached(started, caps, "mona", NOW_S)
    assert reached is not None
    assert reached.whose == whose
