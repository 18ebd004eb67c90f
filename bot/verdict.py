"""What a run of `verify.yml` hands back → a verdict.

Owns the suspicion: the artifact was made beside foreign code. It is read within bounds, and it can
explain a verdict but never improve it: only the run's own success makes a kernel pass.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
import zlib
from dataclasses import dataclass

from pydantic import ValidationError

from bot.claims import Claim, Committed, check_claims
from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.records import Dispatched, Record, VerifyJob
from runner.contract import Environment, Evaluation, EvaluationStatus

log = logging.getLogger(__name__)
MAX_VERDICT_BYTES = 4 << 20
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, LookupError,
    TypeError, ValueError, AttributeError, ValidationError,
)  # fmt: skip


class Verdict(Record):
    """`passed`, the evaluation behind it where the run handed one back, and what it is worth.

    `claims`: what the folder at the head claims, each beside what was found.
    """

    passed: bool
    evaluation: Evaluation | None = None
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack:
    """A verdict, and the machine that it was reached on where the run says."""

    evaluation: Evaluation
    environment: Environment | None


def read_verdict(github: GitHub, job: VerifyJob, run: Dispatched, conclusion: str) -> Verdict:
    """The verdict of the run. An artifact that cannot be believed leaves a failed check."""
    try:
        data = github.download_artifact(
            run.run_id, f"kernelwright-verify-{job.request_id}", MAX_VERDICT_BYTES
        )
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        log.warning("verification %s: no verdict: %s", job.request_id, error)
        data = None
    found = parse_verdict(data) if data is not None else None
    if found is None:
        return Verdict(passed=False)
    evaluation = found.evaluation
    passed = conclusion == "success" and evaluation.status is EvaluationStatus.PASSED
    claims = check_claims(_committed(github, job), evaluation, found.environment)
    return Verdict(passed=passed, evaluation=evaluation, claims=claims)


def _committed(github: GitHub, job: VerifyJob) -> Committed:
    """The folder's texts at the very commit that was verified."""

    def read(name: str) -> str | None:
        return github.read_file(f"{job.problem}/{name}", job.head_sha)

    return Committed(
        results=read("results.json"),
        kernel=read("kernel.py"),
        problem_toml=read("problem.toml"),
        reference=read("reference.py"),
    )


def parse_verdict(data: bytes) -> HandedBack | None:
    """The one evaluation in a zip with one JSON file; None for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (member,) = archive.infolist()
            # Read no further than the bound, whatever the archive's directory claims.
            with archive.open(member) as file:
                text = file.read(MAX_VERDICT_BYTES + 1)
        if len(text) > MAX_VERDICT_BYTES:
            return None
        document = json.loads(text)
        (row,) = document["evaluations"]
        machine = document.get("environment")
        return HandedBack(
            evaluation=Evaluation.model_validate_json(json.dumps(row)),
            environment=None if machine is None else Environment.model_validate(machine),
        )
    except _BROKEN:
        return None
