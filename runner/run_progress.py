"""The wire type of live progress: what a running job tells the bot while it works.

Owns `RunProgress` (runner → bot, `POST /progress`) and its limits. Nothing in it decides anything:
it is for display, and the bundle says what really came of the run. Torch-free.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from runner.contract import EvaluationStatus, FiniteFloat, RequestId, Wire

# The bot reads no further than this; a document with every field at its limit is below 2 kB.
MAX_PROGRESS_BYTES = 4096
_DAY_S = 24 * 3600.0

Phase = Literal["preparing", "searching", "final", "ended"]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
_Ratio = Annotated[FiniteFloat, Field(gt=0, lt=1e9)]


class BestSoFar(Wire):
    """The best kernel so far, at its weakest: the lowest of its ratios, with the 95 % interval.

    `ratio` and what goes with it are None where nothing was timed.
    """

    attempt: Count
    ratio: _Ratio | None = None
    ratio_low: _Ratio | None = None
    ratio_high: _Ratio | None = None
    baseline: Name | None = None

    @model_validator(mode="after")
    def _a_ratio_is_whole(self) -> Self:
        parts = (self.ratio, self.ratio_low, self.ratio_high, self.baseline)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            raise ValueError("a ratio comes with its interval and its baseline")
        return self


class RunProgress(Wire):
    """Where a run stands `at_s` seconds after its beginning, over all its starts."""

    schema_version: Literal[1] = 1
    request_id: RequestId
    at_s: Annotated[FiniteFloat, Field(ge=0, le=2 * _DAY_S)]
    phase: Phase
    attempts: Count
    passed: Count
    last_status: EvaluationStatus | None = None
    best: BestSoFar | None = None
    left_s: Annotated[FiniteFloat, Field(ge=0, le=_DAY_S)]

    @model_validator(mode="after")
    def _no_more_passed_than_tried(self) -> Self:
        if self.passed > self.attempts:
            raise ValueError("more attempts passed than were made")
        return self
