"""What the steps of a request and of its run came to."""

from __future__ import annotations

from typing import Literal

from bot.records.admitted import FaultRow
from bot.records.base import Record
from runner.contract import KernelRequest, KernelResources, ResultBundle
from runner.run_progress import RunProgress


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
