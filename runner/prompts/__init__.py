"""The prompts: Markdown files with named slots, and the rendering of them.

Owns the slots and the fencing of text that comes from elsewhere. Knows nothing of what a prompt
is for; `runner.prompts.questions` puts them together.
"""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template


def render_prompt(name: str, /, **slots: str) -> str:
    """The prompt `<name>.md` with its slots filled, empty sections closed up.

    Values are put in once and never scanned for slots. Raises KeyError for a slot without value.
    """
    text = files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    # Comments in the files are for whoever edits them.
    text = re.sub(r"\A<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # An empty slot on a line of its own leaves no hole; values keep their own blank lines.
    for slot, value in slots.items():
        if not value:
            text = re.sub(rf"^\$\{{?{slot}\}}?\n\n?", "", text, flags=re.MULTILINE)
    return Template(text).substitute(slots).rstrip() + "\n"


def fenced(text: str, language: str = "text") -> str:
    """`text` as a Markdown code block that it cannot end: the fence outruns its backticks."""
    body = visible(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def visible(text: str) -> str:
    """`text` with every character that a reader cannot see written as Python's escape for it.

    Control characters, zero-width ones and marks that turn the reading direction around are how
    a text says one thing to a person and another to a model. Line ends become `\\n`.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if lines.isprintable():
        return lines
    return "".join(c if c in "\n\t" or c.isprintable() else _escape(c) for c in lines)


def excerpt(text: str, limit_chars: int) -> str:
    """`text`, or its head and its tail where it is longer: compilers put the cause last."""
    if len(text) <= limit_chars:
        return text
    head = limit_chars // 3
    tail = limit_chars - head
    left_out = len(text) - limit_chars
    return f"{text[:head]}\n… {left_out} characters left out …\n{text[-tail:]}"


def _escape(character: str) -> str:
    # Blanks of other widths are only blanks.
    return " " if character.isspace() else ascii(character)[1:-1]
