"""A request itself: what its workflow is given, is told, says of itself, and ends as."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.config import RepositoryConfig
from bot.errors import End
from bot.records.asked import Regenerate, Start, Voice
from bot.records.base import Record
from bot.states import State
from runner.run_progress import RunProgress


class Job(Record):
    """Input of one `generation` workflow: one run of the loop, for one request id.

    `head_sha`, `pull_number` and `slug` are set exactly when an existing kernel is to be changed.
    `cause` is what was said, once: a later edit of the comment changes nothing. So is `config`.
    """

    request_id: str
    repository: str
    installation_id: int | None
    issue_number: int
    generation: int
    spec_sha256: str
    cause: Annotated[Start | Regenerate, Field(discriminator="kind")]
    pull_number: int | None = None
    head_sha: str | None = None
    slug: str | None = None
    config: RepositoryConfig = RepositoryConfig()

    @property
    def thread_number(self) -> int:
        """The issue or pull request in which the request is answered."""
        if isinstance(self.cause, Regenerate):
            return self.cause.thread_number
        return self.issue_number


class VerifyJob(Record):
    """Input of one `verification` workflow: the kernel on a pull request's head, judged again.

    `problem` is the path of its folder in the repository. `automatic`: nobody asked, the pull
    request has a new head.
    """

    request_id: str
    repository: str
    installation_id: int | None
    pull_number: int
    problem: str
    head_sha: str
    sender: str
    runner_labels: tuple[str, ...] = ()
    automatic: bool = False


class Note(Record):
    """What a waiting request is told: that its run moved, to stop, or words that join it."""

    kind: Literal["moved", "cancel", "supersede", "join"]
    by: str = ""
    voice: Voice | None = None


class Standing(Record):
    """Where a request is since Unix time `at_s`, for `/status`; `said` is its run's newest word."""

    state: State
    at_s: float
    run_url: str = ""
    said: RunProgress | None = None


class Ended(Record):
    """The end of a generation, and the result of its workflow.

    `text` is Markdown for the outcome comment; empty where the pull request says it all.
    `head_sha` and `problem` (the path of its folder) are of the kernel that was published.
    """

    end: End
    text: str
    summary: str  # one line for the progress comment
    dispatched: bool = False
    heard: tuple[Voice, ...] = ()  # who joined this round after it had begun
    pull_number: int | None = None
    head_sha: str | None = None
    problem: str | None = None


class Request(Record):
    """A request as the service keeps it, for `/status` and the reconciler."""

    job: Job
    opened_s: float
    ended: Ended | None


class Latest(Record):
    """The newest request of an issue, if it has any."""

    request: Request | None
