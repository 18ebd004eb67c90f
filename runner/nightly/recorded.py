"""What a merged kernel's folder says of itself: its digests, and the results it was merged with.

Owns the one place where the nights read a `results.json`. A schema that is not this version's is
refused by name; it never passes for 'nothing recorded'.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.contract import SCHEMA_VERSION, Environment, Evaluation, Performance, sha256_hex
from runner.errors import ContractError
from runner.problem import REFERENCE_FILE

KERNEL_FILE, RESULTS_FILE, TEST_FILE = "kernel.py", "results.json", "test_kernel.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The results that a kernel was merged with."""

    problem_sha256: str
    kernel_sha256: str
    environment: Environment
    performance: Performance | None


def read_recorded(path: Path) -> Recorded | None:
    """The folder's results; None where there is no such file. Raises ContractError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ContractError(f"{RESULTS_FILE} is not UTF-8 text") from error
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{RESULTS_FILE} is not JSON") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        found = f"{version!r:.40}"
        message = f"{RESULTS_FILE} has schema version {found}; this reads {SCHEMA_VERSION}"
        raise ContractError(message)
    try:
        evaluation = Evaluation.model_validate(document["evaluation"])
        return Recorded(
            problem_sha256=str(document["problem_sha256"]),
            kernel_sha256=evaluation.candidate_sha256,
            environment=Environment.model_validate(document["environment"]),
            performance=evaluation.performance,
        )
    except KeyError as error:
        raise ContractError(f"{RESULTS_FILE} has no {error.args[0]!r}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{RESULTS_FILE}: {where}: {first['msg']}") from error


def reference_digest(folder: Path) -> str | None:
    """The digest of reference.py alone; None where there is none."""
    try:
        return sha256_hex((folder / REFERENCE_FILE).read_bytes())
    except OSError:
        return None
