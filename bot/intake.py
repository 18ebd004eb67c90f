"""The artifact of a run → a checked bundle, its files stored as git blobs.

Owns the last gate before anything of a bundle is believed. A blob is named by its content and in no
branch, so storing it twice, or for nothing, leaves no trace.
"""

from __future__ import annotations

from bot.errors import GitHubError, GitHubUnavailable, UserError
from bot.github_api import GitHub
from bot.messages import comments as say
from bot.records import Collected, Dispatched, Job
from runner.bundle import MAX_ARCHIVE_BYTES, CheckedBundle, read_bundle
from runner.contract import KernelRequest, Outcome
from runner.errors import BundleError


def collect(github: GitHub, job: Job, run: Dispatched, request: KernelRequest) -> Collected:
    """Fetch and check the bundle of `request`. Raises UserError where it fails its checks."""
    try:
        bundle = read_bundle(_download(github, run, request.request_id), request=request)
    except BundleError as error:
        raise UserError(say.bundle_refused(error.reason, run.run_url, job)) from error
    return Collected(manifest=bundle.manifest, blobs=_store(github, bundle))


def _download(github: GitHub, run: Dispatched, request_id: str) -> bytes:
    name = f"kernelwright-{request_id}"
    try:
        data = github.download_artifact(run.run_id, name, MAX_ARCHIVE_BYTES)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        if error.status == 413:
            raise BundleError(error.message) from error
        raise
    if data is None:
        raise BundleError(f"the run has no artifact {name}, or it has expired")
    return data


def _store(github: GitHub, bundle: CheckedBundle) -> dict[str, str]:
    if bundle.manifest.outcome is Outcome.UNSOLVED:
        return {}
    return {path: github.create_blob(data) for path, data in sorted(bundle.files.items())}
