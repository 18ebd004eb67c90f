"""What a run of `nightly.yml` hands back → the rows of a night.

Owns the suspicion: the artifacts were made beside generated code. They are read within bounds and
by the closed types of `runner.night_record`; one that breaks them is left out whole. What passes
can open or close an issue of ours, and nothing else.
"""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.nightly_records import MAX_LEGS, NightJob
from runner.night_record import NIGHT_FILE, KernelNight, Night

log = logging.getLogger(__name__)
PREFIX = "kernelwright-night-"
MAX_ARCHIVE_BYTES = 4 << 20
MAX_NIGHT_BYTES = 8 << 20
MAX_ARTIFACTS = 64
MAX_ROWS = 4_000
# A night may be taken late, after an outage; a date far from now is no night of this run.
_MOST_DAYS = 35
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, LookupError,
    ValueError, ValidationError,
)  # fmt: skip


def read_night(github: GitHub, job: NightJob, at_s: float) -> tuple[KernelNight, ...]:
    """The rows of all shards and legs, by leg and kernel. Raises GitHubUnavailable."""
    names = sorted(set(github.artifact_names(job.run_id)))
    nights = [name for name in names if name.startswith(PREFIX)][:MAX_ARTIFACTS]
    found: dict[tuple[str, str], KernelNight] = {}
    for name in nights:
        for row in _read_artifact(github, job, name, at_s):
            legs = {leg for leg, _ in found}
            if row.leg not in legs and len(legs) >= MAX_LEGS:
                log.warning("run %d: %s is of one leg too many", job.run_id, name)
                break
            if (row.leg, row.kernel) in found:
                log.warning("run %d: %s has %s once more", job.run_id, name, row.kernel)
            found.setdefault((row.leg, row.kernel), row)
    return tuple(found[key] for key in sorted(found))[:MAX_ROWS]


def _read_artifact(
    github: GitHub, job: NightJob, name: str, at_s: float
) -> tuple[KernelNight, ...]:
    try:
        data = github.download_artifact(job.run_id, name, MAX_ARCHIVE_BYTES)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        log.warning("run %d: %s cannot be had: %s", job.run_id, name, error)
        return ()
    night = parse_night(data) if data is not None else None
    if night is None:
        log.warning("run %d: %s is no night", job.run_id, name)
        return ()
    today = datetime.fromtimestamp(at_s, UTC).date()
    if abs(today - night.night) > timedelta(days=_MOST_DAYS):
        log.warning("run %d: %s is of %s", job.run_id, name, night.night)
        return ()
    return night.kernels


def parse_night(data: bytes) -> Night | None:
    """The `night.json` of a zip; None for anything that is not exactly that."""
    try:
        # Its other file repeats these rows. Nothing is unpacked to a disk.
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(NIGHT_FILE) as file:
            text = file.read(MAX_NIGHT_BYTES + 1)
        if len(text) > MAX_NIGHT_BYTES:
            return None
        return Night.model_validate_json(text)
    except _BROKEN:
        return None
