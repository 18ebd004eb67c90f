"""The App that is asked for is the one that the service and the README describe."""

from __future__ import annotations

from pathlib import Path

from bot.events import EVENT_TYPES
from bot.setup.manifest import EVENTS, PERMISSIONS

README = Path(__file__).parents[3] / "README.md"
# GitHub sends these to every App; nobody subscribes to them.
ALWAYS_SENT = {"installation", "installation_repositories", "installation_target"}


def test_it_subscribes_to_every_event_that_is_parsed() -> None:
    assert set(EVENTS) == set(EVENT_TYPES) - ALWAYS_SENT


def test_the_readme_names_every_permission_and_every_event() -> None:
    text = README.read_text().lower()
    for name, (level, _) in PERMISSIONS.items():
        assert f"{name.replace('_', ' ')}: {level}" in text
    for event in EVENTS:
        assert event.replace("_", " ") in text
