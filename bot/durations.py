"""Times as people write them: `90s`, `30m`, `1h30m`. Pure.

Owns that notation and its limits. A bare number is refused: nobody can tell which unit was meant.
"""

from __future__ import annotations

import re

# The same in a JSON schema, hence without names, look-aheads and flags.
PATTERN = r"^([1-9][0-9]{0,2}h)?([1-9][0-9]{0,3}m)?([1-9][0-9]{0,4}s)?$"
_READ = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_KNOWN = re.compile(PATTERN)
SHORTEST_S = 60.0
LONGEST_S = 6 * 3600.0  # the contract's own limit for a run


def parse_duration_s(text: str) -> float:
    """Seconds. Raises ValueError with a sentence that says what is wrong with `text`."""
    if text.isdecimal():
        raise ValueError(f"has no unit: write {text[:6]}m for minutes")
    parts = _READ.fullmatch(text) if text and _KNOWN.match(text) else None
    if parts is None:
        raise ValueError("is not a time such as 30m, 90s or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    total_s = 3600.0 * hours + 60.0 * minutes + seconds
    if not SHORTEST_S <= total_s <= LONGEST_S:
        shortest, longest = show_duration(SHORTEST_S), show_duration(LONGEST_S)
        raise ValueError(f"must be from {shortest} to {longest}")
    return total_s


def show_duration(total_s: float) -> str:
    """`1h30m` for 5400: the same notation, rounded up to whole seconds."""
    left = -int(-total_s // 1)
    hours, left = divmod(left, 3600)
    minutes, seconds = divmod(left, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    return "".join([*parts, f"{seconds}s" if seconds else ""]) or "0s"
