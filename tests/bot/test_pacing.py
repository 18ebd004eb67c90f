"""The pace of creation: never more than the limits, and no wait below them."""

from __future__ import annotations

import pytest

from bot.github_api.pacing import CreationPace


@pytest.mark.parametrize(
    ("count", "expected_s"), [(80, 0.0), (81, 60.0), (161, 120.0), (500, 360.0), (501, 3600.0)]
)
def test_creations_wait_for_room_within_the_minute_and_the_hour(
    count: int, expected_s: float
) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = CreationPace(per_minute=80, per_hour=500, now_s=lambda: now[0], sleep=sleep)
    for _ in range(count):
        pace.take()
    assert now[0] == expected_s


def test_room_comes_back_with_time() -> None:
    now, slept = [0.0], []
    pace = CreationPace(per_minute=2, per_hour=100, now_s=lambda: now[0], sleep=slept.append)
    pace.take()
    pace.take()
    now[0] = 61.0
    pace.take()
    assert slept == []
