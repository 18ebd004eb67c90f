"""How the values of the command line are read: text → a value, or argparse's complaint.

Owns their bounds. Each raises argparse.ArgumentTypeError, in words for the command line.
"""

from __future__ import annotations

import argparse
import re

from pydantic import ValidationError

from runner.contract import Budget
from runner.nightly.worklist import Shard

MAX_ROUNDS = 100_000
MAX_STREAMS = 64  # the contract's limit
MAX_SHARDS = 1_000
_LEG, _COMMIT = re.compile(r"[a-z][a-z0-9-]{0,31}"), re.compile(r"[0-9a-f]{40}")
_COUNT = r"([0-9]+(?:\.[0-9]+)?)"
_BUDGET = re.compile(rf"(?=.)(?:{_COUNT}h)?(?:{_COUNT}m)?(?:{_COUNT}s)?")


def budget_s(text: str) -> float:
    """`15m`, `90s` or `1h30m` in seconds. Raises argparse.ArgumentTypeError."""
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 15m, 90s or 1h30m")
    hours, minutes, seconds = (float(count or 0) for count in match.groups())
    wanted_s = 3600.0 * hours + 60.0 * minutes + seconds
    try:
        return Budget(wall_clock_s=wanted_s).wall_clock_s
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 6h") from None


def repository(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not OWNER/NAME")
    return text


def web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[\w.:-]+(/[\w./-]*)?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https address")
    return text.rstrip("/")


def whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def number_ranges(text: str) -> tuple[range, ...]:
    """`1-20` or `3,7,10-12`: both ends belong to it."""
    parts = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        numbers = range(whole_number(first), whole_number(last or first) + 1)
        if not numbers:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} ends before it begins")
        parts.append(numbers)
    return tuple(parts)


def limit(text: str) -> int:
    count = whole_number(text)
    if not count:
        raise argparse.ArgumentTypeError("0 is no limit to work with")
    return count


def streams(text: str) -> int:
    count = whole_number(text)
    if not 1 <= count <= MAX_STREAMS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MAX_STREAMS}")
    return count


def shard(text: str) -> Shard:
    index, slash, count = text.partition("/")
    if not slash:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part such as 2/4")
    part = Shard(index=whole_number(index), count=whole_number(count))
    if not 1 <= part.index <= part.count <= MAX_SHARDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part from 1/N to N/N")
    return part


def leg(text: str) -> str:
    if _LEG.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name such as pinned")
    return text


def commit(text: str) -> str:
    if _COMMIT.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a commit of 40 digits")
    return text


def rounds(text: str) -> int:
    count = whole_number(text)
    if not 1 <= count <= MAX_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MAX_ROUNDS}")
    return count


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
