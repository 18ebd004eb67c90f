"""What one tune of one candidate came to. Torch-free; passes between processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from runner.contract import Candidate, FiniteFloat, Wire

Scalar = int | float | bool | str | None
Config = Mapping[str, Scalar]


class Tuned(Wire):
    """A candidate with its launch parameters frozen; as the candidate was where nothing was timed.

    `tried` configurations were compiled, run and checked, `dropped` of them not worth timing or
    wrong, `timed` were timed at least once. `gain`: the default's time over the winner's, the
    geometric mean over the benchmark workloads; None where nothing was timed. `note` says in one
    sentence what was found, or why nothing was. The frozen source is to be judged like any other.
    """

    candidate: Candidate
    config: dict[str, Scalar]
    tried: Annotated[int, Field(ge=0)]
    dropped: Annotated[int, Field(ge=0)]
    timed: Annotated[int, Field(ge=0)]
    note: str
    gain: Annotated[FiniteFloat, Field(gt=0)] | None = None
    reasons: dict[str, int] = Field(default_factory=dict)  # why some were dropped → how many
    stage_s: dict[str, FiniteFloat] = Field(default_factory=dict)


def untuned(candidate: Candidate, note: str) -> Tuned:
    """The candidate as it is, and why."""
    return Tuned(candidate=candidate, config={}, tried=0, dropped=0, timed=0, note=note)
