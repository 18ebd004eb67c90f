"""One finding of an examination: what was looked at, how it stands, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `unseen`: it may be in order, but the App may not look. `note`: it works, and one should know.
State = Literal["ok", "note", "unseen", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`subject` is `app`, `service` or a repository's full name."""

    subject: str
    name: str
    state: State
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.state in ("failed", "unseen")) != bool(self.remedy) and self.state != "note":
            raise ValueError("a remedy goes with what failed or could not be seen")
