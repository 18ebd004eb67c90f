"""Slash commands in comments: `/regenerate <guidance>` and `/help`.

Owns where a command may stand: at the start of a line, outside code blocks and quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN = ("regenerate", "help")
_COMMAND = re.compile(r"^/([a-z][a-z0-9-]*)(?:[ \t]+(.*))?$", re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The first command of a comment. `text` is all that follows it, to the comment's end."""

    name: str
    text: str

    @property
    def is_known(self) -> bool:
        return self.name in KNOWN


def parse_command(body: str) -> Command | None:
    """The first line that is a command, or None. A path such as `/usr/bin` is not a command."""
    lines = body.replace("\r\n", "\n").split("\n")
    fence: str | None = None
    for index, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence is not None:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = None
            continue
        # A backtick fence has no backtick in its info string; else it is inline code.
        if mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            continue
        found = _COMMAND.match(line.rstrip())
        if found:
            text = "\n".join([found[2] or "", *lines[index + 1 :]]).strip()
            return Command(name=found[1].lower(), text=text)
    return None
