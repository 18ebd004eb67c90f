"""What the durable workflows keep: their inputs and the results of their steps.

These live in the database across restarts and upgrades, so they are wire types: frozen, closed to
unknown fields, plain JSON. A field added later needs a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.commands import CommandName, StartFrom
from bot.config import DEFAULT_LABEL, RepositoryConfig
from bot.errors import End
from bot.states import State
from runner.contract import KernelRequest, KernelResources, ResultBundle
from runner.run_progress import RunProgress


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Note(Record):
    """What a waiting request is told: that its run moved, to stop, or words that join it."""

    kind: Literal["moved", "cancel", "supersede", "join"]
    by: str = ""
    voice: Voice | None = None


class Standing(Record):
    """Where a request is at Unix time `at_s`, for `/status`."""

    state: State
    at_s: float
    run_url: str = ""


class Delivery(Record):
    """One webhook delivery that the bot acts on."""

    delivery_id: str
    repository: str
    installation_id: int | None
    decision: Decision


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


class Opening(Record):
    """What a delivery is about, as GitHub has it now. `rounds` counts our commits on the branch."""

    issue_number: int
    spec_sha256: str
    rounds: int = 0
    pull_number: int | None = None
    head_sha: str | None = None
    slug: str | None = None


class Silenced(Record):
    """Whose words a round that was superseded would have answered, and may still be heard."""

    voices: tuple[Voice, ...] = ()


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


class ConfigRead(Record):
    """The repository's configuration, or (`config` is None) every fault of its file.

    `label` starts a request; with faults it is the file's as far as that can be read.
    """

    config: RepositoryConfig | None
    label: str = DEFAULT_LABEL
    faults: tuple[FaultRow, ...] = ()


class Admission(Record):
    """Whether a delivery goes on. `config` is there exactly when it does.

    `refusal` is safe Markdown; `once` is the key under which it is said once in a thread, and for a
    delivery that goes on, the key for its answer; empty: an answer to each delivery.
    """

    is_ours: bool
    config: RepositoryConfig | None = None
    refusal: str = ""
    once: str = ""


class RunStarted(Record):
    """A run that `sender` started at Unix time `at_s`."""

    sender: str
    at_s: float


class Prepared(Record):
    """The spec check's result at Unix time `at_s`: a request to dispatch, or every fault found."""

    at_s: float
    request: KernelRequest | None
    slug: str | None
    workflow_ref: str | None = None  # the default branch
    faults: tuple[FaultRow, ...] = ()
    before: tuple[KernelResources, ...] = ()  # of the kernel that is to be changed
    kernel_sha256: str | None = None  # of that kernel, whether or not the run starts from it

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


class RunNews(Record):
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


class Stopping(Record):
    """Who asked a request to stop, by which kind of note."""

    kind: Literal["cancel", "supersede"]
    by: str


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
    heard: tuple[Voice, ...] = ()  # who joined this round after it had begun
    pull_number: int | None = None


class VerifyJob(Record):
    """Input of one `verification` workflow: the kernel on a pull request's head, judged again.

    `problem` is the path of its folder in the repository.
    """

    request_id: str
    repository: str
    installation_id: int | None
    pull_number: int
    problem: str
    head_sha: str
    sender: str


class Request(Record):
    """A request as the service keeps it, for `/status` and the reconciler."""

    job: Job
    opened_s: float
    ended: Ended | None


class Latest(Record):
    """The newest request of an issue, if it has any."""

    request: Request | None
