"""The table of states: every state has an end and a deadline, and the README shows this table."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from bot.errors import ENDS
from bot.settings import Settings
from bot.states import DEADLINES, START, WAYS, Track, Working, mermaid

README = Path(__file__).parents[2] / "README.md"
WORKING = get_args(Working)


@pytest.mark.parametrize("state", WORKING)
def test_every_state_has_a_deadline_among_the_settings_and_a_way_to_fail(state: Working) -> None:
    assert DEADLINES[state] in Settings.model_fields
    assert any((way.source, way.target) == (state, "failed") for way in WAYS)


def test_every_state_is_reached_from_the_start_and_every_end_is_final() -> None:
    reached = {START}
    while more := {way.target for way in WAYS if way.source in reached} - reached:
        reached |= more
    assert reached == {*WORKING, *ENDS}
    assert not {way.source for way in WAYS} & set(ENDS)


def test_a_move_that_the_table_lacks_is_refused() -> None:
    track = Track()
    with pytest.raises(ValueError, match="from received to published"):
        track.move("published")
    track.move("checking")
    assert track.state == "checking"


def test_the_readme_shows_this_table() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.split("<!-- states -->")[1].split("<!-- /states -->")[0]
    assert mermaid() in shown
