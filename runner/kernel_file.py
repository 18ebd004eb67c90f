"""A kernel file from disk: a candidate, or the verdict on bytes that are no text.

Owns the reading. A file that cannot be read is misuse; one that is not text is a bad candidate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from runner.contract import Candidate, Evaluation, EvaluationStatus, sha256_hex
from runner.errors import RunnerError


def read_candidate(path: Path, device: Literal["cpu", "cuda"]) -> Candidate | Evaluation:
    """The file's text, line endings included, or why it is none. Raises RunnerError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    try:
        return Candidate.of(data.decode("utf-8"), 1)
    except UnicodeDecodeError as error:
        return Evaluation(
            status=EvaluationStatus.REJECTED,
            candidate_sha256=sha256_hex(data),
            device=device,
            stage="screen",
            summary=f"The kernel file is not UTF-8 text (byte {error.start}).",
        )
