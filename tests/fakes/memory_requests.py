"""`bot.desk.Requests` in memory: what was started and what was told, for tests to look at."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.nightly_records import NightJob
from bot.records import Ended, Job, Note, Request, RunStarted, Standing, VerifyJob


@dataclass
class MemoryRequests:
    """`busy` is the id of the issue's request under way; `taken` its words on what it answers.

    `on_tell` plays what a request does about a note.
    """

    started: list[Job] = field(default_factory=list)
    verified: list[VerifyJob] = field(default_factory=list)
    nights: list[NightJob] = field(default_factory=list)
    ends: dict[str, Ended] = field(default_factory=dict)
    told: list[tuple[str, Note, str]] = field(default_factory=list)
    known: dict[str, Request] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    taken: tuple[int, ...] = ()
    runs: list[RunStarted] = field(default_factory=list)
    busy: str | None = None
    on_tell: Any = None

    def choosing(self) -> Any:
        return contextlib.nullcontext()

    def active(self, repository: str, issue_number: int) -> str | None:
        return self.busy

    def latest(self, repository: str, issue_number: int) -> Request | None:
        return next(reversed(self.known.values()), None)

    def request(self, request_id: str) -> Request | None:
        return self.known.get(request_id)

    def ended(self, request_ids: Sequence[str]) -> dict[str, Ended]:
        return {key: end for key, end in self.ends.items() if key in request_ids}

    def standing(self, request_id: str) -> Standing | None:
        return self.standings.get(request_id)

    def gathered(self, request_id: str, timeout_s: float) -> tuple[int, ...]:
        return self.taken

    def runs_since(self, repository: str, since_s: float) -> list[RunStarted]:
        return [run for run in self.runs if run.at_s >= since_s]

    def start(self, job: Job) -> bool:
        self.started.append(job)
        return True

    def start_verification(self, job: VerifyJob) -> None:
        self.verified.append(job)

    def start_night(self, job: NightJob) -> None:
        self.nights.append(job)

    def tell(self, request_id: str, note: Note, key: str) -> None:
        self.told.append((request_id, note, key))
        if self.on_tell is not None:
            self.on_tell(request_id, note)
