"""Where a command may stand, checked against a Markdown parser."""

from __future__ import annotations

import random

import pytest
from markdown_it import MarkdownIt

from bot.commands import parse_command
from bot.comment_lines import spoken_lines

MARKDOWN = MarkdownIt("commonmark")
PIECES = [
    "/help", "words", "", "> quote", "```", "````", "~~~", "  ```", "- ```", "1. ~~~", "- item",
    "    code", "<!-- note", "-->", "<pre>\n/help\n</pre>", "<pre>", "``` py", "``` a`b", "- > x",
    "  more", "   ", "# head", "<!-- a --> b", "<script>\n/help\n\n</script> x",
]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no command",
        "please /regenerate",
        "> /regenerate quoted",
        "> quoted\n/regenerate right below is part of the quote",
        "    /regenerate as code",
        " /regenerate",
        "```\n/regenerate in a block\n```",
        "```python\n/regenerate in a block that never ends",
        "~~~\n/regenerate\n```\n~~~",
        "<!--\n/regenerate that nobody sees\n-->",
        "<pre>\n/regenerate\n</pre>",
        "/usr/bin/python fails",
        "/",
        "//regenerate",
        "/ regenerate",
        "/regenerate/it",
    ],
)
def test_not_a_command(body: str) -> None:
    assert parse_command(body) is None


@pytest.mark.parametrize(
    "body",
    [
        "> quoted\n\n/help",
        "```\n/no\n```\n/help",
        "````\n```\n/no\n```\n````\n/help",
        "``` not `` a fence\n/help",
        "- ```\n  /no\n  ```\n/help",
        "- ```\n/help",
        "<!-- hidden -->\n/help",
        "<pre>\n/no\n</pre>\n/help",
        "words\n/help",
    ],
)
def test_a_command_after_what_is_no_command(body: str) -> None:
    assert parse_command(body) == parse_command("/help")


def rendered_lines(text: str) -> set[int]:
    """Lines that start with `/` and are rendered as text, outside of quotes."""
    lines, found, quotes = text.split("\n"), set(), 0
    for token in MARKDOWN.parse(text):
        quotes += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if token.type == "inline" and not quotes and token.map:
            found |= {n for n in range(*token.map) if lines[n].startswith("/")}
    return found


def test_no_line_counts_that_is_rendered_as_code_or_quote() -> None:
    draw = random.Random(20)
    acted = 0
    for _ in range(6000):
        pieces = [draw.choice(PIECES) for _ in range(draw.randint(1, 7))]
        text = "\n".join(pieces)
        lines = text.split("\n")
        mine = {n for n in spoken_lines(lines) if lines[n].startswith("/")}
        assert mine <= rendered_lines(text), text
        # Below a quote, and a fence that may or may not be a list's, a line is left out in doubt.
        if not any("> " in piece or piece == "  ```" for piece in pieces):
            assert mine == rendered_lines(text), text
        acted += len(mine)
    assert acted > 400
