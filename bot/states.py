"""The states of a request and the ways between them, as data.

Owns which state may follow which, how long each may last, and the drawing of it in the README. The
workflow moves along this table and nowhere else; that every state has an end is a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bot.errors import ENDS, End

Working = Literal[
    "received", "gathering", "checking", "queued", "running", "cancelling", "delivering"
]
State = Working | End
START: State = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From one state to another, and the reason in a few words."""

    source: State
    target: State
    why: str


def _ways(*rows: tuple[State, State, str]) -> tuple[Way, ...]:
    return tuple(Way(source=source, target=target, why=why) for source, target, why in rows)


WAYS = _ways(
    ("received", "checking", "label or command"),
    ("received", "gathering", "review"),
    ("gathering", "checking", "a minute has passed"),
    ("gathering", "cancelled", "/cancel"),
    ("gathering", "superseded", "newer words"),
    ("checking", "refused", "not allowed, or no place for it"),
    ("checking", "invalid", "faults in the spec"),
    ("checking", "queued", "dispatched"),
    ("queued", "running", "the GPU machine took it"),
    ("queued", "delivering", "the run ended"),
    ("queued", "cancelling", "/cancel or newer words"),
    ("running", "delivering", "the run ended"),
    ("running", "cancelling", "/cancel or newer words"),
    ("cancelling", "delivering", "the best so far"),
    ("cancelling", "superseded", "newer words"),
    ("delivering", "published", "a kernel passed"),
    ("delivering", "unsolved", "no kernel passed, or nothing new"),
    ("delivering", "cancelled", "stopped before a kernel passed"),
    ("delivering", "refused", "a person works on the branch"),
    ("received", "failed", "fault of ours"),
    ("gathering", "failed", "fault of ours"),
    ("checking", "failed", "GitHub refuses the dispatch"),
    ("queued", "failed", "no machine in time"),
    ("running", "failed", "deadline"),
    ("cancelling", "failed", "fault of ours"),
    ("delivering", "failed", "run or bundle bad"),
)
_ALLOWED = frozenset((way.source, way.target) for way in WAYS)

# Which of the settings bounds a state. `github_patience_s` bounds each step of a state that makes
# only steps; the others wait for something outside.
DEADLINES: dict[Working, str] = {
    "received": "github_patience_s",
    "gathering": "review_window_s",
    "checking": "github_patience_s",
    "queued": "run_deadline_s",
    "running": "running_deadline_s",
    "cancelling": "cancel_deadline_s",
    "delivering": "github_patience_s",
}


@dataclass(slots=True, kw_only=True)
class Track:
    """Where one request is. Moves only as `WAYS` allow."""

    state: State = START
    seen: list[State] = field(default_factory=lambda: [START])

    def move(self, target: State) -> None:
        """Go on to `target`. Raises ValueError where no way leads there: a fault of ours."""
        if (self.state, target) not in _ALLOWED:
            raise ValueError(f"no way leads from {self.state} to {target}")
        self.state = target
        self.seen.append(target)


def mermaid() -> str:
    """The states as a Mermaid diagram, which the README shows."""
    lines = ["stateDiagram-v2", f"    [*] --> {START}"]
    lines += [f"    {way.source} --> {way.target}: {way.why}" for way in WAYS]
    lines += [f"    {end} --> [*]" for end in ENDS]
    return "\n".join(lines) + "\n"
