"""Steps of a durable workflow: what is asked of whatever runs them, and how one step behaves.

Owns patience (a step repeats itself while GitHub is unavailable) and the rule that an error of a
step is a recorded result: a workflow that is replayed after a crash ends as it ended before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay

from bot.errors import BotError, GitHubUnavailable, UserError
from bot.records import Dispatched, Note, RunNews, Standing

R = TypeVar("R")
log = logging.getLogger(__name__)
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 120.0


class StepCrashed(BotError):
    """A step failed for a reason that is not the user's. It is logged where it happened."""


class Steps(Protocol):
    """Runs named steps at least once each, and remembers their results across restarts."""

    def run(self, name: str, act: Callable[[], R], kind: type[R]) -> R:
        """The result of `act`, a `kind`. Raises UserError or StepCrashed, also when replayed."""
        ...

    def do(self, name: str, act: Callable[[], None]) -> None:
        """`run` for an effect without a result."""
        ...

    def wait(self, timeout_s: float) -> Note | None:
        """The next note to this workflow; None where none came within `timeout_s`."""
        ...

    def pause(self, seconds: float) -> None:
        """Nothing, for that long; no note ends it."""
        ...

    def stand(self, standing: Standing) -> None:
        """Let others see where this request is."""
        ...

    def announce_gathered(self, review_ids: tuple[int, ...]) -> None:
        """Let others see which reviews this request answers, and that it takes no more."""
        ...

    def announce(self, run: Dispatched) -> None:
        """Let others see which run is this request's: that one alone may tell of itself."""
        ...

    def news(self) -> list[RunNews]:
        """What the run has said of itself since the last look, in the order of arrival."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, in seconds, a step keeps trying while GitHub is unavailable."""

    total_s: float
    sleep: Callable[[float], None]


def perform(
    workflow_id: str, name: str, act: Callable[[], Any], patience: Patience
) -> dict[str, Any]:
    """Run one step to a plain JSON record: a value, the text for the user, or that it crashed.

    `workflow_id` is the id of the request or the delivery, for the log.
    """
    try:
        return {"value": effect(name, act, patience)}
    except UserError as error:
        return {"stop": {"text": error.text, "end": error.end, "once": error.once}}
    except Exception:
        # The edge of a step: what is not for the user goes to the log, whole.
        log.exception("%s: step %s failed", workflow_id, name)
        return {"crashed": name}


def effect(name: str, act: Callable[[], Any], patience: Patience) -> Any:
    """`act`, repeated while GitHub is unavailable. Every act looks before it creates."""
    tries = Retrying(
        retry=retry_if_exception_type(GitHubUnavailable),
        stop=stop_before_delay(patience.total_s),
        wait=_wait_s,
        sleep=patience.sleep,
        before_sleep=lambda state: log.warning("step %s: %s; trying again", name, _error(state)),
        reraise=True,
    )
    return tries(act)


def outcome(record: dict[str, Any]) -> Any:
    """The value in a record of `perform`. Raises what it recorded instead."""
    if "stop" in record:
        raise UserError(**record["stop"])
    if "crashed" in record:
        raise StepCrashed(record["crashed"])
    return record["value"]


def _wait_s(state: RetryCallState) -> float:
    error = _error(state)
    if isinstance(error, GitHubUnavailable) and error.retry_after_s is not None:
        return error.retry_after_s
    return float(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (state.attempt_number - 1)))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
