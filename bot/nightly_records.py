"""What the workflow of a night keeps: its input, and the results of its steps.

As `records`, in the database across restarts: frozen, closed, plain JSON.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.records import Record
from runner.night_record import KernelNight, Leg

MAX_LEGS = 8
Trouble = Literal["failed", "regressed"]


class NightJob(Record):
    """Input of one `night` workflow: a run of nightly.yml that has ended."""

    repository: str
    installation_id: int | None
    run_id: int
    attempt: int = 1

    @property
    def key(self) -> tuple[int, int]:
        """What is later is greater: GitHub's ids grow."""
        return (self.run_id, self.attempt)


class NightTaken(Record):
    """What could be believed of a night: its rows, each kernel once a leg, and where they are
    from. No rows: there is nothing to do. `folder`: of the problems, in the repository."""

    rows: tuple[KernelNight, ...] = ()
    run_url: str = ""
    folder: str = ""
    label: str = ""  # of a request
    regenerate: bool = False


class Kept(Record):
    """A kernel's issue after a night. `number` is None where it has none; `finding` says what is
    newly wrong, in words for the model, and is empty where nothing is new."""

    number: int | None = None
    finding: str = ""


class NightStanding(Record):
    """How a kernel stands after a night, as its issue keeps it: the legs in trouble.

    `since_run_id`: the night that its trouble began with.
    """

    run_id: int = 0
    attempt: int = 0
    since_run_id: int = 0
    legs: Annotated[dict[Leg, Trouble], Field(max_length=MAX_LEGS)] = Field(default_factory=dict)
