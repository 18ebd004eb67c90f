"""Slash commands: where they count, and what follows them."""

from __future__ import annotations

import pytest

from bot.commands import parse_command


@pytest.mark.parametrize(
    ("body", "name", "text"),
    [
        ("/help", "help", ""),
        ("/regenerate use fewer registers", "regenerate", "use fewer registers"),
        ("/Regenerate now", "regenerate", "now"),
        ("/regenerate\nfirst\n\nsecond", "regenerate", "first\n\nsecond"),
        ("/regenerate first\r\nsecond\r\n", "regenerate", "first\nsecond"),
        ("Thanks!\n\n/regenerate more", "regenerate", "more"),
        ("/regenerate a\n/help", "regenerate", "a\n/help"),
        ("/frobnicate it", "frobnicate", "it"),
        ("`code` here\n/help", "help", ""),
        ("```\n/no\n```\n/help", "help", ""),
        ("````\n```\n/no\n```\n````\n/help", "help", ""),
        ("``` not `` a fence\n/help", "help", ""),
    ],
)
def test_the_first_command_and_its_text(body: str, name: str, text: str) -> None:
    command = parse_command(body)
    assert command is not None
    assert (command.name, command.text) == (name, text)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no command",
        "please /regenerate",
        "> /regenerate quoted",
        "    /regenerate as code",
        " /regenerate",
        "```\n/regenerate in a block\n```",
        "```python\n/regenerate in a block that never ends",
        "~~~\n/regenerate\n```\n~~~",
        "/usr/bin/python fails",
        "/",
        "//regenerate",
        "/ regenerate",
        "/regenerate/it",
    ],
)
def test_not_a_command(body: str) -> None:
    assert parse_command(body) is None
