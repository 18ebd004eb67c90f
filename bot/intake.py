"""The artifact of a run → a checked bundle, its files stored as git blobs.

Owns the last gate before anything of a bundle is believed. A blob is named by its content and in no
branch, so storing it twice, or for nothing, leaves no trace.
"""

from __future__ import annotations

from bot.errors import GitHubError, GitHubUnavailable, UserError
from bot.github_api import GitHub
from bot.messages import run_ends
from bot.records import Collected, Dispatched, Job, Stopping
from runner.bundle import MAX_ARCHIVE_BYTES, CheckedBundle, read_bundle
from runner.contract import KernelRequest, Outcome
from runner.errors import BundleError


class _NoArtifact(BundleError):
    """The run handed back nothing under the name that was agreed."""


def collect(
    github: GitHub, job: Job, run: Dispatched, request: KernelRequest, conclusion: str = "success",
    stopping: Stopping | None = None,
) -> Collected:  # fmt: skip
    """Fetch and check the bundle of `request`. Raises UserError where it fails its checks.

    A run that was cancelled (`conclusion`) may have handed back its best so far, or nothing.
    """
    try:
        bundle = read_bundle(_download(github, run, request.request_id), request=request)
    except _NoArtifact as error:
        if conclusion != "success":
            raise _without_bundle(job, run, conclusion, stopping) from error
        raise UserError(run_ends.bundle_refused(error.reason, run.run_url, job)) from error
    except BundleError as error:
        raise UserError(run_ends.bundle_refused(error.reason, run.run_url, job)) from error
    return Collected(manifest=bundle.manifest, blobs=_store(github, bundle))


def artifact_name(request_id: str) -> str:
    return f"kernelwright-{request_id}"


def _without_bundle(
    job: Job, run: Dispatched, conclusion: str, stopping: Stopping | None
) -> UserError:
    if stopping is not None:
        return UserError(run_ends.cancelled(stopping.by, run.run_url, job), "cancelled")
    return UserError(run_ends.run_failed(conclusion, run.run_url, job))


def _download(github: GitHub, run: Dispatched, request_id: str) -> bytes:
    name = artifact_name(request_id)
    try:
        data = github.download_artifact(run.run_id, artifact_name(request_id), MAX_ARCHIVE_BYTES)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        if error.status == 413:
            raise BundleError(error.message) from error
        raise
    if data is None:
        raise _NoArtifact(f"the run has no artifact {name}, or it has expired")
    return data


def _store(github: GitHub, bundle: CheckedBundle) -> dict[str, str]:
    if bundle.manifest.outcome is Outcome.UNSOLVED:
        return {}
    return {path: github.create_blob(data) for path, data in sorted(bundle.files.items())}
