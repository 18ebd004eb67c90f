"""What a simulated model answers, how fast, and what goes wrong: the script of a `ModelServer`.

Owns the words of the script. Serves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

FaultKind = Literal[
    "status",  # an HTTP error: `status`, `message`, and `retry_after` as the header
    "reset",  # the connection is reset before the answer begins
    "broken",  # the connection ends half-way through the stream
    "stalled",  # half of the stream, then silence
    "garbage",  # half of the stream, then a piece that is no JSON
    "error_event",  # half of the stream, then an error as an event
    "keep_alive",  # half of the stream, then comments without an end
    "interrupted",  # half of the stream, then an end that is none: DeepSeek without resources
    "not_utf8",  # whole, but with a byte in the answer that no UTF-8 has
    "cut",  # half of the answer, then the length limit
    "all_thought",  # the thinking only, then the length limit
]
# The server charges for these: a whole answer, or one that it says ended by its own limit.
PAID = frozenset({"answered", "not_utf8", "cut", "all_thought"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call that goes wrong."""

    kind: FaultKind
    status: int = 500
    message: str = "out of order"
    retry_after: str | None = None
    code: str | None = None


UNAUTHORIZED = Fault(kind="status", status=401, message="invalid api key")
UNKNOWN_MODEL = Fault(kind="status", status=404, message="the model does not exist")
SLOW_DOWN = Fault(kind="status", status=429, message="slow down")
SLOW_DOWN_BRIEFLY = Fault(kind="status", status=429, message="slow down", retry_after="0.01")
OUT_OF_ORDER = Fault(kind="status", status=500)
OVERLOADED = Fault(kind="status", status=503, message="overloaded")
TOO_LONG = Fault(
    kind="status",
    status=400,
    message="This model's maximum context length is 100 tokens",
    code="context_length_exceeded",
)
RESET = Fault(kind="reset")
BROKEN = Fault(kind="broken")
STALLED = Fault(kind="stalled")
GARBAGE = Fault(kind="garbage")
ERROR_EVENT = Fault(kind="error_event")
KEEP_ALIVE = Fault(kind="keep_alive")
INTERRUPTED = Fault(kind="interrupted")
NOT_UTF8 = Fault(kind="not_utf8")
CUT = Fault(kind="cut")
ALL_THOUGHT = Fault(kind="all_thought")
# Asking again mends each of these.
PASSING = (
    SLOW_DOWN,
    SLOW_DOWN_BRIEFLY,
    OUT_OF_ORDER,
    OVERLOADED,
    RESET,
    BROKEN,
    STALLED,
    GARBAGE,
    ERROR_EVENT,
    KEEP_ALIVE,
    INTERRUPTED,
    NOT_UTF8,
    CUT,
    ALL_THOUGHT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `attempt` is the client's, else the number of the call; calls count from 1."""

    call: int
    attempt: int
    body: dict[str, Any]
    key: str
    path: str

    @property
    def prompt(self) -> str:
        """The question: the first user message, whatever turns follow it."""
        return next(m["content"] for m in self.body["messages"] if m["role"] == "user")

    @property
    def partial(self) -> str:
        """What the client already has of this answer, when it asks for the rest."""
        return "".join(m["content"] for m in self.body["messages"] if m["role"] == "assistant")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model would say in full.

    `counted`: the endpoint counts tokens. `reasoning_name`: what it calls the thinking.
    """

    content: str
    reasoning: str = ""
    counted: bool = True
    reasoning_name: str = "reasoning_content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When the tokens come. The text is sent in at most `pieces` events, evenly in time."""

    first_token_s: float = 0.0
    tokens_per_s: float = float("inf")
    pieces: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of a request: `answered`, the kind of its fault, or `dropped` by the client."""

    ask: Ask
    outcome: str
    content: str
    began_s: float
    ended_s: float

    @property
    def paid(self) -> bool:
        return self.outcome in PAID


Skill = Callable[[Ask], Reply | str]
Faults = Callable[[Ask], Fault | None]


def no_faults(ask: Ask) -> None:
    """Every call goes well."""


def in_order(faults: Sequence[Fault | None]) -> Faults:
    """The n-th call gets the n-th fault; later calls go well."""
    return lambda ask: faults[ask.call - 1] if ask.call <= len(faults) else None


def sometimes(share: float, faults: Sequence[Fault] = PASSING, *, seed: int = 0) -> Faults:
    """That share of all calls fails, each in one of these ways; the same calls for one seed."""

    def pick(ask: Ask) -> Fault | None:
        draw = random.Random(seed * 1_000_003 + ask.call)
        return draw.choice(faults) if draw.random() < share else None

    return pick
