"""What to do next about a failed attempt: one concrete step for each kind of finding.

Owns the choice; the steps are in `remedies.toml`. A verifier's words, which may quote a candidate,
only choose among those sentences: none of them is repeated.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from runner.contract import Evaluation, EvaluationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The step for findings whose words match `when`; None: where no other row of its status does.

    `step` is one paragraph without line ends.
    """

    when: re.Pattern[str] | None
    step: str


def remedy_for(evaluation: Evaluation) -> str:
    """The step for a verdict; empty for one that is PASSED.

    The summary decides where a row knows it; else the detail.
    """
    rows = remedies()[evaluation.status]
    for text in (evaluation.summary, evaluation.detail):
        for row in rows:
            if row.when is not None and row.when.search(text):
                return row.step
    return next((row.step for row in rows if row.when is None), "")


def ran_out_of_room(evaluation: Evaluation) -> bool:
    """Whether the answer was cut at the length limit before its kernel was whole."""
    return not_a_kernel(evaluation) and "length limit" in evaluation.summary


def not_a_kernel(evaluation: Evaluation) -> bool:
    """Whether the answer held no kernel, so that there is no fault in one to be found."""
    return evaluation.stage == "extract"


@functools.cache
def remedies() -> Mapping[EvaluationStatus, tuple[Remedy, ...]]:
    """All rows by status, in the order in which they are tried."""
    text = files(__package__).joinpath("remedies.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return {
        status: tuple(_remedy(**row) for row in table.get(status, ()))
        for status in EvaluationStatus
    }


def _remedy(*, step: str, when: str | None = None) -> Remedy:
    pattern = None if when is None else re.compile(when, re.IGNORECASE | re.MULTILINE)
    return Remedy(when=pattern, step=" ".join(step.split()))
