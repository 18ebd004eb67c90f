"""What a model says it changed: the line `CHANGE: …` of its answer.

Owns the reading of that line. It is the model's word, shown as data and believed by nobody.
"""

from __future__ import annotations

import re

from runner.one_line import one_line
from runner.prompts.fences import lines_of

MAX_CHANGE_CHARS = 160
# As models write it: plain, in bold, in a list or a heading, within backticks.
_STATED = re.compile(r"^[\s>*_`#\d.)-]*CHANGE[*_`\s]*:(?P<change>.*)$")


def stated_change(content: str) -> str | None:
    """The change that an answer states, on one printable line of at most `MAX_CHANGE_CHARS`.

    The last such line outside of code counts, as the last kernel does. None where the answer
    states none.
    """
    found: str | None = None
    for line, in_code in lines_of(content):
        match = None if in_code else _STATED.match(line)
        if match is not None:
            text = one_line(match["change"]).strip("*_` ")
            found = one_line(text, MAX_CHANGE_CHARS) or found
    return found
