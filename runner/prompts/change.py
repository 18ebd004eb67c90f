"""What a model says it changed: the line `CHANGE: …` of its answer.

Owns the reading of that line. It is the model's word, shown as data and believed by nobody.
"""

from __future__ import annotations

import re

from runner.one_line import one_line

MAX_CHANGE_CHARS = 160
_STATED = re.compile(r"^[\s>*_`#-]*CHANGE[*_`\s]*:(?P<change>.*)$", re.MULTILINE)


def stated_change(content: str) -> str | None:
    """The last change that an answer states, on one printable line; None where it states none."""
    stated = [one_line(match["change"]).strip("*_` ") for match in _STATED.finditer(content)]
    return next((one_line(text, MAX_CHANGE_CHARS) for text in reversed(stated) if text), None)
