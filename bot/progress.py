"""What a running job says of itself: who may say it, how often, and where it goes.

Owns the answer to every post: the token's claims against the run that was dispatched, the order of
events, the rate for a run. What is said is for display only, and none of it is trusted for more.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from bot.errors import BadToken, KeysUnavailable
from bot.oidc import JobClaims, JobTokens
from bot.records import Dispatched, RunNews
from runner.run_progress import RunProgress

log = logging.getLogger(__name__)
# A runner posts every ten seconds. The burst is for several attempts that end at once.
_BURST = 6.0
_REFILL_S = 5.0
# Runs whose rate is known; the one that was silent the longest is forgotten first.
_MAX_SEATS = 4096
_RETRY_KEYS_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOf:
    """What is known of a request: nothing (all empty), its end, or its run if there is one."""

    repository: str = ""
    run: Dispatched | None = None
    ended: bool = False


class Runs(Protocol):
    """The requests that this service, with all its replicas, keeps."""

    def run_of(self, request_id: str) -> RunOf:
        """The run of a request. Asks the database."""
        ...

    def pass_on(self, request_id: str, news: RunNews) -> None:
        """Hand it to the request's workflow; once, however often it comes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer: its status and, for a refusal, why."""

    status: int
    error: str = ""
    retry_after_s: int | None = None


class _Refused(Exception):
    def __init__(self, status: int, error: str, retry_after_s: int | None = None) -> None:
        super().__init__(error)
        self.reply = Reply(status=status, error=error, retry_after_s=retry_after_s)


@dataclass(slots=True, kw_only=True)
class _Seat:
    """One run's share: how many posts it may still make, and the last that was taken."""

    posts: float
    counted_s: float
    latest: tuple[int, float] | None = None


@dataclass(slots=True, kw_only=True)
class ProgressDoor:
    """Answers posts of one replica.

    Rate and order are this replica's own view. The workflow sees the posts of all replicas, and is
    the one that decides which is the newest.
    """

    tokens: JobTokens
    runs: Runs
    now_s: Callable[[], float] = time.monotonic
    _seats: OrderedDict[int, _Seat] = field(default_factory=OrderedDict)

    async def answer(self, authorization: str | None, body: bytes) -> Reply:
        """202: kept. Else why not; never an exception."""
        try:
            await self._take(authorization, body)
        except _Refused as refusal:
            return refusal.reply
        except Exception:
            # The edge: the database, most likely. The job goes on and says it again.
            log.exception("live progress could not be kept")
            return Reply(status=503, error="try again later", retry_after_s=_RETRY_KEYS_S)
        return Reply(status=202)

    async def _take(self, authorization: str | None, body: bytes) -> None:
        claims = await self._claims(authorization)
        # Before anything is read from the database: anybody's job gets a token for our audience.
        seat = self._seat(claims.run_id)
        progress = _parse(body)
        known = await run_in_threadpool(self.runs.run_of, progress.request_id)
        check_is_its_run(claims, known)
        news = RunNews(attempt=claims.run_attempt, progress=progress)
        if seat.latest is not None and news.order <= seat.latest:
            raise _Refused(409, "something newer was said before")
        await run_in_threadpool(self.runs.pass_on, progress.request_id, news)
        seat.latest = max(news.order, seat.latest or news.order)

    async def _claims(self, authorization: str | None) -> JobClaims:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Refused(401, "a bearer token of the job is required")
        try:
            return await self.tokens.claims(token.strip())
        except BadToken as error:
            raise _Refused(401, str(error)) from error
        except KeysUnavailable as error:
            raise _Refused(503, str(error), _RETRY_KEYS_S) from error

    def _seat(self, run_id: int) -> _Seat:
        """The run's seat, with one post taken off. Raises _Refused where none is left."""
        now_s = self.now_s()
        seat = self._seats.setdefault(run_id, _Seat(posts=_BURST, counted_s=now_s))
        self._seats.move_to_end(run_id)
        if len(self._seats) > _MAX_SEATS:
            self._seats.popitem(last=False)
        seat.posts = min(_BURST, seat.posts + (now_s - seat.counted_s) / _REFILL_S)
        seat.counted_s = now_s
        if seat.posts < 1:
            raise _Refused(429, "too many posts for one run", int(_REFILL_S))
        seat.posts -= 1
        return seat


def _parse(body: bytes) -> RunProgress:
    try:
        return RunProgress.model_validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        raise _Refused(422, f"{where}: {first['msg']}"[:300]) from error


def check_is_its_run(claims: JobClaims, known: RunOf) -> None:
    """Raises `_Refused` unless the job is of the very run that was dispatched for the request."""
    if known.ended:
        raise _Refused(409, "the request has ended")
    run = known.run
    if run is None:
        raise _Refused(404, "no such request, or no run of it yet")
    same_repository = (
        claims.repository_id == run.repository_id
        if run.repository_id is not None
        else claims.repository.lower() == known.repository.lower()
    )
    refusals = {
        "another repository": same_repository,
        "another workflow": claims.workflow_ref == f"{claims.repository}/{run.workflow_ref}",
        "another event": claims.event_name == "workflow_dispatch",
        "another run": claims.run_id == run.run_id,
        # A run that a person starts again keeps its id and counts on.
        "an earlier attempt": claims.run_attempt >= run.attempt,
    }
    for refusal, holds in refusals.items():
        if not holds:
            raise _Refused(403, f"the token is of {refusal}")
