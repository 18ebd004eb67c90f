"""What the durable workflows keep: their inputs and the results of their steps.

These live in the database across restarts and upgrades, so they are wire types: frozen, closed to
unknown fields, plain JSON. A field added later needs a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.errors import End
from runner.contract import KernelRequest, KernelResources, ResultBundle
from runner.run_progress import RunProgress


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Start(Record):
    """Someone labelled an issue: make its first kernel, or try again."""

    kind: Literal["start"] = "start"
    issue_number: int
    sender: str


class Regenerate(Record):
    """Someone wants the kernel changed: by a review, or by `/regenerate`.

    `thread_number` is where it was said; `pull_number` is None for a command on the issue.
    """

    kind: Literal["regenerate"] = "regenerate"
    thread_number: int
    pull_number: int | None
    sender: str
    guidance: str
    comment_id: int | None = None
    review_id: int | None = None


class Usage(Record):
    """A comment asked for help, or for something that we do not know (`unknown`)."""

    kind: Literal["usage"] = "usage"
    thread_number: int
    comment_id: int
    sender: str
    unknown: str | None = None


class RunMoved(Record):
    """A workflow run changed its state: wake the request that waits for it."""

    kind: Literal["run"] = "run"
    request_id: str


Decision = Annotated[Start | Regenerate | Usage | RunMoved, Field(discriminator="kind")]


class Delivery(Record):
    """One webhook delivery that the bot acts on."""

    delivery_id: str
    repository: str
    installation_id: int | None
    decision: Decision


class Job(Record):
    """Input of one `generation` workflow: one run of the loop, for one request id.

    `head_sha`, `pull_number` and `slug` are set exactly when an existing kernel is to be changed.
    `cause` is what was said, once: a later edit of the comment changes nothing.
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

    @property
    def thread_number(self) -> int:
        """The issue or pull request in which the request is answered."""
        if isinstance(self.cause, Regenerate):
            return self.cause.thread_number
        return self.issue_number


class Opening(Record):
    """What a delivery is about, as GitHub has it now. `rounds` counts our commits on the branch."""

    issue_number: int
    spec_sha256: str
    rounds: int = 0
    pull_number: int | None = None
    head_sha: str | None = None
    slug: str | None = None


class Choice(Record):
    """The next request of an issue, or (`busy`) the one that is under way."""

    request_id: str
    generation: int
    busy: bool


class FaultRow(Record):
    """One fault of a spec; `line` is 1-based, None for the file as a whole."""

    file: str
    line: int | None
    message: str


class Prepared(Record):
    """The spec check's result at Unix time `at_s`: a request to dispatch, or every fault found."""

    at_s: float
    request: KernelRequest | None
    slug: str | None
    workflow_ref: str | None = None  # the default branch
    faults: tuple[FaultRow, ...] = ()
    before: tuple[KernelResources, ...] = ()  # of the kernel that is to be changed

    def accepted(self) -> KernelRequest:
        """The request. Raises ValueError for a faulty spec, which has none."""
        if self.request is None:
            raise ValueError("a faulty spec has no request")
        return self.request


class Dispatched(Record):
    """The run that was started. `at_s` is the Unix time of the dispatch."""

    run_id: int
    run_url: str
    at_s: float
    attempt: int = 1
    repository_id: int | None = None  # outlives a rename
    workflow_ref: str = ""  # `.github/workflows/<file>@refs/heads/<branch>`, as tokens have it


class Queue(Record):
    """How many runs of the same workflow come before ours; None where GitHub does not say."""

    ahead: int | None


class Heard(Record):
    """What attempt `attempt` of a run said of itself, for display only."""

    attempt: int
    progress: RunProgress

    @property
    def order(self) -> tuple[int, float]:
        """What is later is greater: a run that is started again begins from zero."""
        return (self.attempt, self.progress.at_s)


class RunState(Record):
    """A look at the run at Unix time `at_s`."""

    status: str
    conclusion: str | None
    attempt: int
    at_s: float


class Collected(Record):
    """A bundle that passed its checks. `blobs` maps path to git blob; empty if UNSOLVED."""

    manifest: ResultBundle
    blobs: dict[str, str]


class Committed(Record):
    """The commit of this request on its branch. `made` is False where the kernel did not change."""

    branch: str
    sha: str
    made: bool


class Published(Record):
    """The pull request that carries the commit."""

    number: int
    url: str


class Ended(Record):
    """The end of a generation, and the result of its workflow.

    `text` is Markdown for the outcome comment; empty where the pull request says it all.
    """

    end: End
    text: str
    summary: str  # one line for the progress comment
    dispatched: bool = False
    pull_number: int | None = None
