"""The lines of a kernel that a finding names, with their numbers and their neighbours.

Owns the finding of `kernel.py:LINE` in a verdict. A model counts lines badly: it is shown them.
"""

from __future__ import annotations

import re

from runner.prompts import fenced

_NAMED = re.compile(r"\bkernel\.py:(\d{1,6})\b")
_AROUND = 2
MAX_PLACES = 3
MAX_LINE_CHARS = 200


def named_lines(finding: str, source: str) -> str:
    """The first places that `finding` names, as one code block; empty where it names none."""
    lines = source.replace("\r\n", "\n").split("\n")
    numbers = [int(number) for number in _NAMED.findall(finding)]
    places = [number for number in dict.fromkeys(numbers) if 1 <= number <= len(lines)]
    if not places:
        return ""
    named = frozenset(places[:MAX_PLACES])
    shown = sorted(
        {
            number
            for place in named
            for number in range(place - _AROUND, place + _AROUND + 1)
            if 1 <= number <= len(lines)
        }
    )
    text: list[str] = []
    for before, number in zip([shown[0], *shown], shown, strict=False):
        if number > before + 1:
            text.append("  ...")
        mark = ">" if number in named else " "
        text.append(f"{mark} {number:>4} | {lines[number - 1][:MAX_LINE_CHARS]}")
    return f"The lines that it names:\n\n{fenced(chr(10).join(text))}"
