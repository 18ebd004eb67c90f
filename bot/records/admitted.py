"""What is found out before any work: the repository's settings, who may ask, which round it is."""

from __future__ import annotations

from bot.config import DEFAULT_LABEL, RepositoryConfig
from bot.records.asked import Voice
from bot.records.base import Record


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


class Opening(Record):
    """What a delivery is about, as GitHub has it now. `rounds` counts our commits on the branch.

    `folder` is the branch's own problems folder; None where there is no branch yet.
    """

    issue_number: int
    spec_sha256: str
    rounds: int = 0
    pull_number: int | None = None
    head_sha: str | None = None
    slug: str | None = None
    folder: str | None = None


class Silenced(Record):
    """Whose words a round that was superseded would have answered, and may still be heard."""

    voices: tuple[Voice, ...] = ()


class Choice(Record):
    """The next request of an issue, or (`busy`) the one that is under way."""

    request_id: str
    generation: int
    busy: bool
