"""When a request is worth making again, and when.

Owns the waits. Knows nothing of answers, and never waits past the time it is given.
"""

from __future__ import annotations

import email.utils
from dataclasses import dataclass
from datetime import UTC, datetime

import openai
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from runner.model.http import httpx
from runner.model.stream import BrokenStream


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often one request is made, and the waits between (randomised, doubling).

    Once the endpoint has answered, a question gets `patience` times as many tries: what worked will
    work again, and an outage of some minutes should not end a run. `continuations` and `rethinks`
    bound how often a cut answer is continued, and how often one that never got past its thinking
    is asked for again.
    """

    tries: int = 8
    first_wait_s: float = 1.0
    max_wait_s: float = 30.0
    patience: int = 4
    continuations: int = 3
    rethinks: int = 2


def retrying(policy: RetryPolicy, tries: int, time_left_s: float) -> AsyncRetrying:
    """Repeats a call while that may mend it and time is left; then raises what it raised."""

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = retry_after_s(error) if error is not None else None
        if asked_s is not None:
            return asked_s
        return wait_random_exponential(policy.first_wait_s, policy.max_wait_s)(state)

    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_s,
        # The wait counts too: sleeping into the end of the budget buys nothing.
        stop=stop_after_attempt(tries) | stop_before_delay(time_left_s),
        reraise=True,
    )


def is_transient(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, openai.APIStatusError):
        # 408 and 409: the server gave up waiting, or a lock was held.
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    # An APIError without a status is an error event inside the stream, or no connection (a name
    # that does not resolve included); a ValueError is a piece of a stream that is no JSON; errors
    # of the HTTP library come up bare from a stream.
    return isinstance(error, (openai.APIError, httpx.TransportError, BrokenStream, ValueError))


def retry_after_s(error: BaseException, now: datetime | None = None) -> float | None:
    """Seconds that the endpoint asks to wait: a number, or a date (RFC 9110, section 10.2.3)."""
    if not isinstance(error, openai.APIStatusError):
        return None
    text = error.response.headers.get("retry-after", "").strip()
    try:
        wait_s = float(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        # A date without a zone is GMT: HTTP knows no other.
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        wait_s = max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
    return wait_s if 0 <= wait_s < float("inf") else None
