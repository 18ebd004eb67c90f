"""What a problem folder's `results.json` says, as the site needs it.

Owns the one call by which the site reads that file; another schema is refused with its version.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from runner.contract import (
    SCHEMA_VERSION,
    Cost,
    Environment,
    Evaluation,
    Outcome,
    TokenUsage,
)
from runner.errors import ContractError


class ResultsAttempt(BaseModel):
    """One row of what was tried."""

    model_config = ConfigDict(frozen=True)

    index: int
    phase: str
    status: str
    summary: str
    kept: bool
    tokens: TokenUsage
    model_s: float
    verifier_s: float


class Results(BaseModel):
    """The facts of the run that made a kernel. Fields that the site does not show are left out.

    `evaluation` None: the run found no kernel.
    """

    model_config = ConfigDict(frozen=True)

    problem_sha256: str
    outcome: Outcome
    stopped_because: str
    model: str
    generation: int
    best_attempt: int | None
    evaluation: Evaluation | None
    environment: Environment
    cost: Cost
    attempts: tuple[ResultsAttempt, ...]
    repository: str | None = None
    issue_number: int | None = None


def read_results(text: str) -> Results:
    """Parse `results.json`. Raises ContractError that names the version, or the first fault."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError("results.json is not JSON") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ContractError(
            f"results.json has schema version {version!r}; this reads {SCHEMA_VERSION}"
        )
    try:
        return Results.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"results.json: {where}: {first['msg']}") from error
