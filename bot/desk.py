"""What one delivery is worked on with: its steps, the requests that the service keeps, an answer.

Owns the `Requests` protocol, which `durable` implements, and how a delivery is answered once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bot import threads
from bot.github_api import GitHub
from bot.messages import comments as say
from bot.nightly_records import NightJob
from bot.records import (
    Delivery,
    Ended,
    Job,
    NightEnded,
    Note,
    Request,
    RunMoved,
    RunStarted,
    Standing,
    Start,
    VerifyJob,
)
from bot.steps import Steps
from bot.tools import Tools


class Requests(Protocol):
    """The requests that this service keeps."""

    def choosing(self) -> AbstractContextManager[object]:
        """Held from the choice of a request to its start: two labels make one run."""
        ...

    def active(self, repository: str, issue_number: int) -> str | None:
        """The id of the issue's request that has not ended, or None."""
        ...

    def latest(self, repository: str, issue_number: int) -> Request | None:
        """The newest request of an issue, ended or not."""
        ...

    def request(self, request_id: str) -> Request | None:
        """The request of that id."""
        ...

    def ended(self, request_ids: Sequence[str]) -> dict[str, Ended]:
        """The ends of those requests that are known; of any state."""
        ...

    def standing(self, request_id: str) -> Standing | None:
        """Where a request said last that it is."""
        ...

    def gathered(self, request_id: str, timeout_s: float) -> tuple[int, ...]:
        """The reviews that a request answers, once it takes no more; none after `timeout_s`."""
        ...

    def runs_since(self, repository: str, since_s: float) -> list[RunStarted]:
        """The runs of a repository's requests opened since Unix time `since_s`.

        A request under way counts: its run is started, or about to be.
        """
        ...

    def start(self, job: Job) -> bool:
        """Start a request. False where its id is another's, which then goes on undisturbed."""
        ...

    def start_verification(self, job: VerifyJob) -> None:
        """Start one; nothing where it was started before."""
        ...

    def start_night(self, job: NightJob) -> None:
        """Take a night's results; nothing where that was started before."""
        ...

    def tell(self, request_id: str, note: Note, key: str) -> None:
        """Leave a note to a request; nothing where there is none. Once for a key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One delivery, and what it is worked on with."""

    steps: Steps
    tools: Tools
    requests: Requests
    delivery: Delivery

    def github(self) -> GitHub:
        return self.tools.github(self.delivery.repository, self.delivery.installation_id)

    @property
    def thread_number(self) -> int | None:
        """Where the delivery is answered; None for one that nobody asked for."""
        decision = self.delivery.decision
        if isinstance(decision, RunMoved | NightEnded):
            return None
        return decision.issue_number if isinstance(decision, Start) else decision.thread_number

    def reply(self, text: str) -> None:
        """Answer the delivery in one comment, however often it is worked on."""
        number, login = self.thread_number, self.tools.login
        if number is None:
            return
        body = say.reply(self.delivery, text)
        self.steps.run(
            "reply", lambda: threads.keep_comment(self.github(), number, body, login), int
        )

    def reply_once(self, marker: str, text: str) -> None:
        """Say `text` in the thread, unless that is said there already: known by `marker`."""
        number, login = self.thread_number, self.tools.login
        if number is None:
            return
        body = f"{marker}\n{text}"
        self.steps.run(
            "reply", lambda: threads.ensure_comment(self.github(), number, body, login), int
        )

    def keep_said(self, marker: str, text: str) -> None:
        """Say `text` in the one comment of the thread that is known by `marker`."""
        number, login = self.thread_number, self.tools.login
        if number is None:
            return
        body = f"{marker}\n{text}"
        self.steps.run(
            "reply", lambda: threads.keep_comment(self.github(), number, body, login), int
        )

    def react(self, comment_id: int, content: str) -> None:
        self.steps.do("react", lambda: threads.react_to_comment(self.github(), comment_id, content))
