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

from pydantic import ValidationError

from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.records import Dispatched, Record, VerifyJob
from runner.contract import Evaluation, EvaluationStatus

log = logging.getLogger(__name__)
MAX_VERDICT_BYTES = 4 << 20
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, LookupError,
    TypeError, ValueError, ValidationError,
)  # fmt: skip


class Verdict(Record):
    """`passed`, and the evaluation behind it where the run handed one back."""

    passed: bool
    evaluation: Evaluation | None = None


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
    evaluation = parse_verdict(data) if data is not None else None
    passed = (
        conclusion == "success"
        and evaluation is not None
        and evaluation.status is EvaluationStatus.PASSED
    )
    return Verdict(passed=passed, evaluation=evaluation)


def parse_verdict(data: bytes) -> Evaluation | None:
    """The one evaluation in a zip with one JSON file; None for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (member,) = archive.infolist()
            # Read no further than the bound, whatever the archive's directory claims.
            with archive.open(member) as file:
                text = file.read(MAX_VERDICT_BYTES + 1)
        if len(text) > MAX_VERDICT_BYTES:
            return None
        (row,) = json.loads(text)["evaluations"]
        return Evaluation.model_validate_json(json.dumps(row))
    except _BROKEN:
        return None
