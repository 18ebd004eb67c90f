"""`results.json` of a problem folder: what a run found, as the folder keeps it. Torch-free.

Owns its schema, its versions and the reading of older ones. README.md, the pictures and the
kernel's docstring are made from this and from the problem alone, so they can be made again. Refuses
a version it does not know, by name.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from runner.contract import (
    Attempt,
    Cost,
    Environment,
    Evaluation,
    EvaluationStatus,
    FiniteFloat,
    Outcome,
    ResultBundle,
    Sha256,
    Slug,
    TokenUsage,
    Wire,
)
from runner.errors import ResultsError
from runner.headline import mean_ratios

RESULTS_VERSION = 2
MAX_RESULTS_BYTES = 8 << 20


class AttemptRow(Wire):
    """One attempt. `at_s`: when its verdict came, in seconds of the run; None: not on record.

    `ratios`: baseline → geometric mean over the workloads; empty where nothing was timed.
    """

    index: Annotated[int, Field(ge=1)]
    phase: str
    status: EvaluationStatus
    stage: str
    summary: str
    candidate_sha256: Sha256
    kept: bool
    tokens: TokenUsage
    model_s: FiniteFloat
    verifier_s: FiniteFloat
    at_s: FiniteFloat | None = None
    ratios: dict[str, FiniteFloat] = Field(default_factory=dict)


class Results(Wire):
    """The facts of the run that a problem folder comes from. `evaluation` is of its kernel.py."""

    schema_version: Literal[2] = 2
    problem: Slug
    problem_sha256: Sha256
    repository: str | None = None
    issue_number: int | None = None
    request_id: str | None = None
    outcome: Outcome
    stopped_because: str
    model: str
    generation: int
    best_attempt: int | None
    evaluation: Evaluation | None
    parent: Evaluation | None
    environment: Environment
    cost: Cost
    attempts: tuple[AttemptRow, ...]


def results_of(
    manifest: ResultBundle, parent: Evaluation | None, ended_s: dict[int, float]
) -> Results:
    """The results of a run. `ended_s`: attempt → second of the run at which its verdict came."""
    return Results(
        problem=manifest.problem,
        problem_sha256=manifest.problem_sha256,
        repository=manifest.repository,
        issue_number=manifest.issue_number,
        request_id=manifest.request_id,
        outcome=manifest.outcome,
        stopped_because=manifest.stopped_because,
        model=manifest.model,
        generation=manifest.generation,
        best_attempt=manifest.best_attempt,
        evaluation=manifest.best,
        parent=parent,
        environment=manifest.environment,
        cost=manifest.cost,
        attempts=tuple(_row(attempt, ended_s) for attempt in manifest.attempts),
    )


def write_results(results: Results) -> str:
    """The text of `results.json`."""
    document = results.model_dump(mode="json")
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_results(text: str | bytes) -> Results:
    """The results in a `results.json` of this or an older version.

    Raises ResultsError: no JSON, a version that this cannot read (named), or a field at fault.
    """
    if len(text) > MAX_RESULTS_BYTES:
        raise ResultsError(f"results.json has {len(text)} bytes; at most {MAX_RESULTS_BYTES}")
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultsError("results.json is not JSON") from error
    if not isinstance(document, dict):
        raise ResultsError("results.json is not a JSON object")
    version = document.get("schema_version")
    if type(version) is not int or version not in (1, RESULTS_VERSION):
        shown = repr(version)[:40]
        raise ResultsError(
            f"results.json has schema version {shown}; this reads 1 and {RESULTS_VERSION}"
        )
    if version == 1:
        document = _from_version_1(document)
    try:
        return Results.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResultsError(f"results.json (schema {version}): {where}: {first['msg']}") from error


def _from_version_1(document: dict[str, Any]) -> dict[str, Any]:
    """Version 1 lacks where a run came from and when attempts ended: both stay unknown."""
    return {**document, "schema_version": RESULTS_VERSION}


def _row(attempt: Attempt, ended_s: dict[int, float]) -> AttemptRow:
    evaluation = attempt.evaluation
    return AttemptRow(
        index=attempt.index,
        phase=attempt.phase,
        status=evaluation.status,
        stage=evaluation.stage,
        summary=evaluation.summary,
        candidate_sha256=evaluation.candidate_sha256,
        kept=attempt.kept,
        tokens=attempt.tokens,
        model_s=attempt.model_s,
        verifier_s=attempt.verifier_s,
        at_s=ended_s.get(attempt.index),
        ratios=mean_ratios(evaluation.performance) if evaluation.performance else {},
    )
