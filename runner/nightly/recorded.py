"""What a merged kernel's folder says of itself: its digests, and the results it was merged with.

Owns the one place where the nights read a `results.json`. A schema that is not known is refused by
name; it never passes for 'nothing recorded'.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.contract import Environment, Performance, sha256_hex
from runner.errors import ContractError
from runner.problem import REFERENCE_FILE
from runner.results import read_results

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
        results = read_results(path.read_bytes())
    except FileNotFoundError:
        return None
    if results.evaluation is None:
        raise ContractError(f"{RESULTS_FILE} holds no verdict: its run found no kernel")
    return Recorded(
        problem_sha256=results.problem_sha256,
        kernel_sha256=results.evaluation.candidate_sha256,
        environment=results.environment,
        performance=results.evaluation.performance,
    )


def reference_digest(folder: Path) -> str | None:
    """The digest of reference.py alone; None where there is none."""
    try:
        return sha256_hex((folder / REFERENCE_FILE).read_bytes())
    except OSError:
        return None
