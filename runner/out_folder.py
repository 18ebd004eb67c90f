"""The output folder of a run: who may use it, the best so far, the bundle.

Owns that two runs are never mixed in one folder, and that what is handed back is whole at any time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ValidationError

from runner.bundle import MANIFEST, write_bundle
from runner.contract import ResultBundle
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.tried import Tried

JOURNAL = "journal.jsonl"
TRANSCRIPT = "transcript.jsonl"
BEST = "best"
BUNDLE = "bundle"
SUMMARY = "summary.md"


def claim_folder(out: Path, *, resume: bool) -> None:
    """Make the output folder. One that holds anything is another run's, unless it is resumed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not resume and any(out.iterdir()):
            raise RunnerError(
                f"{out} is not empty: name a new folder with --out, or go on there with --resume"
            )
        if resume and any(out.iterdir()) and not (out / JOURNAL).exists():
            raise RunnerError(f"{out} is not a run's folder: there is no {JOURNAL} to resume")
    except OSError as error:
        raise RunnerError(f"cannot write to {out}: {error.strerror}") from error


class BestFolder:
    """Keeps the best so far on disk as `kernel.py` and `evaluation.json`, each whole at any time.

    A reader that comes between the two sees it: the evaluation names the kernel's digest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, best: Tried) -> None:
        if best.candidate is None:
            raise ValueError("a best attempt has a candidate")
        self._folder.mkdir(exist_ok=True)
        evaluation = best.attempt.evaluation.model_dump_json(indent=1) + "\n"
        write_atomically(self._folder / "kernel.py", best.candidate.source)
        write_atomically(self._folder / "evaluation.json", evaluation)


def delivered_before(out: Path) -> ResultBundle | None:
    """The manifest of a bundle that is there already; None where there is none."""
    path = out / BUNDLE / MANIFEST
    if not path.exists():
        return None
    try:
        return ResultBundle.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RunnerError(f"{path} is not the manifest of a bundle") from error


def deliver_bundle(
    out: Path, manifest: ResultBundle, contents: dict[str, bytes], summary: str
) -> None:
    """Write bundle and summary, in the place of those of an earlier start of the same run.

    Whole or not at all: what uploads the bundle of a killed run must not find half of it.
    """
    draft, old = out / ".bundle", out / ".bundle-before"
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    write_bundle(draft, manifest, contents)
    bundle = out / BUNDLE
    if bundle.exists():
        bundle.rename(old)
    draft.rename(bundle)
    shutil.rmtree(old, ignore_errors=True)
    write_atomically(out / SUMMARY, summary)
