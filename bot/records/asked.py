"""What people ask for, as one delivery says it: once, for a later edit changes nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.commands import CommandName, StartFrom
from bot.config import DEFAULT_LABEL
from bot.records.base import Record


class Start(Record):
    """Someone labelled an issue: make its first kernel, or try again.

    `label` is the one that was added: only the repository's configuration says what it means.
    `merged` names a kernel of the default branch that a night found in trouble, and `finding` says
    how: nobody asked then but the repository's own configuration. No payload sets them.
    """

    kind: Literal["start"] = "start"
    issue_number: int
    sender: str
    label: str = DEFAULT_LABEL
    merged: str | None = None
    finding: str = ""


class Voice(Record):
    """What one person asked for: by a review (`review_id`), or by a command."""

    sender: str
    guidance: str
    review_id: int | None = None


class Regenerate(Record):
    """Someone wants the kernel changed: by a review, or by `/regenerate`.

    `thread_number` is where it was said; `pull_number` is None for a command on the issue. `more`
    holds what others asked for at about the same time, or in a round that this one supersedes.
    `budget_s` is None where the request's own budget holds; `start` says which kernel the loop
    begins with: the branch's (`best`), or none.
    """

    kind: Literal["regenerate"] = "regenerate"
    thread_number: int
    pull_number: int | None
    sender: str
    guidance: str
    comment_id: int | None = None
    review_id: int | None = None
    budget_s: float | None = None
    start: StartFrom = "best"
    more: tuple[Voice, ...] = ()

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Everyone who is heard, the one who started the round first."""
        own = Voice(sender=self.sender, guidance=self.guidance, review_id=self.review_id)
        return (own, *self.more)


def with_voices(cause: Regenerate, voices: tuple[Voice, ...]) -> Regenerate:
    """`cause` with further voices, each once: a repeated delivery says its words again."""
    every = dict.fromkeys((*cause.voices, *voices))
    return cause.model_copy(update={"more": tuple(every)[1:]})


class Asked(Record):
    """A command about a request that exists: cancel it, tell how it stands, verify its kernel."""

    kind: Literal["asked"] = "asked"
    command: Literal["cancel", "status", "verify"]
    thread_number: int
    on_pull: bool
    comment_id: int
    sender: str


class Usage(Record):
    """A comment asked for help, or held a command that cannot be carried out.

    `problem` says why not, in words that quote the comment; None for help. `meant` is the command
    whose usage helps; None for all of them.
    """

    kind: Literal["usage"] = "usage"
    thread_number: int
    on_pull: bool
    comment_id: int
    sender: str
    problem: str | None = None
    meant: CommandName | None = None


class RunMoved(Record):
    """A workflow run changed its state: wake the request that waits for it."""

    kind: Literal["run"] = "run"
    request_id: str


class NightEnded(Record):
    """A run of the nightly workflow has ended: take its results."""

    kind: Literal["night"] = "night"
    run_id: int
    attempt: int


Decision = Annotated[
    Start | Regenerate | Asked | Usage | RunMoved | NightEnded, Field(discriminator="kind")
]


class Delivery(Record):
    """One webhook delivery that the bot acts on."""

    delivery_id: str
    repository: str
    installation_id: int | None
    decision: Decision
