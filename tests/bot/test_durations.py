"""Times as people write them."""

from __future__ import annotations

import pytest

from bot.durations import parse_duration_s, show_duration


@pytest.mark.parametrize(
    ("text", "total_s"),
    [("30m", 1800), ("90s", 90), ("1h", 3600), ("1h30m", 5400), ("1m5s", 65), ("6h", 21_600)],
)
def test_a_time_can_be_read_and_shown_again(text: str, total_s: float) -> None:
    assert parse_duration_s(text) == total_s
    assert parse_duration_s(show_duration(total_s)) == total_s


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30", "no unit: write 30m"),
        ("9" * 5000, "no unit"),
        ("", "not a time"),
        ("0m", "not a time"),
        ("-5m", "not a time"),
        ("1.5h", "not a time"),
        ("30m1h", "not a time"),
        ("30 m", "not a time"),
        ("30m\n", "not a time"),
        ("\u0663\u0660m", "not a time"),
        ("59s", "from 1m to 6h"),
        ("6h1s", "from 1m to 6h"),
        ("999h", "from 1m to 6h"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_duration_s(text)


def test_seconds_are_shown_rounded_up() -> None:
    assert show_duration(59.2) == "1m"
    assert show_duration(0.0) == "0s"
