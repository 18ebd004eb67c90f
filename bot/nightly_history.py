"""The history of the nights: JSON lines on a branch of their own.

Owns that branch: it shares nothing with the code's history, is made where there is none, is only
ever moved forward, and gets one file a night, so that a night that is taken twice is there once.
"""

from __future__ import annotations

from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.messages import nightly as say
from bot.nightly_records import NightJob
from runner.night_record import KernelNight, history_line

BRANCH = "kernelwright-data"


def path_of(job: NightJob, rows: tuple[KernelNight, ...]) -> str:
    """Where a night's lines are kept: sorted by name, the files are in the order of the nights."""
    return f"nights/{rows[0].night.isoformat()}-{job.run_id}-{job.attempt}.jsonl"


def append(github: GitHub, job: NightJob, rows: tuple[KernelNight, ...]) -> None:
    """Put the rows on the branch, unless they are there. Raises GitHubUnavailable to be repeated
    where somebody else moved the branch meanwhile."""
    path = path_of(job, rows)
    head_sha = github.branch_head(BRANCH)
    if head_sha is not None and github.read_bytes(path, head_sha) is not None:
        return
    lines = "".join(history_line(row) for row in rows)
    blobs = {path: github.create_blob(lines.encode())}
    if head_sha is None:
        blobs["README.md"] = github.create_blob(say.data_readme().encode())
    base = None if head_sha is None else github.commit(head_sha).tree_sha
    tree_sha = github.create_tree(base, blobs)
    sha = github.create_commit(say.history_message(rows[0].night), tree_sha, head_sha)
    try:
        if head_sha is None:
            github.create_branch(BRANCH, sha)
        else:
            github.move_branch(BRANCH, sha)
    except GitHubError as error:
        if error.status == 422:
            raise GitHubUnavailable(422, f"{BRANCH} moved meanwhile") from error
        raise
