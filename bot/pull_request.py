"""The branch, its commit and the pull request of a kernel.

Owns 'one branch a request, one commit a round, one pull request'. Looks before it creates, never
forces a branch, never builds on a person's commit, never reopens what a person closed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from bot.errors import GitHubError, UserError
from bot.github_api import GitHub, NewPull, Pull
from bot.handlers import branch_name
from bot.messages import comments as say
from bot.messages import pull_request as text
from bot.preparation import check_own_pull, pull_state, standing_pull
from bot.records import Collected, Committed, Job, Prepared, Published, Start
from bot.tools import Tools

# A tree made a moment ago can be unknown to the commit that names it.
_TREE_MISSING = "tree sha does not exist"


def commit(
    github: GitHub, tools: Tools, job: Job, prepared: Prepared, collected: Collected
) -> Committed:
    """Put the bundle's files on the request's branch as one commit, unless that is done already."""
    manifest = collected.manifest
    branch = branch_name(job.issue_number, manifest.problem)
    head_sha = github.branch_head(branch)
    if head_sha is not None and _is_ours(github, tools, head_sha, job.request_id):
        return Committed(branch=branch, sha=head_sha, made=True)
    parent_sha = _parent(github, tools, job, prepared, branch, head_sha)
    if manifest.best is not None and manifest.best.candidate_sha256 == prepared.kernel_sha256:
        return Committed(branch=branch, sha=parent_sha, made=False)
    blobs = _in_folder(collected.blobs, job.config.problems_folder)
    tree_sha = github.create_tree(github.commit(parent_sha).tree_sha, blobs)
    message = text.commit_message(manifest, job.issue_number)
    sha = _create_commit(github, message, tree_sha, parent_sha)
    _point(github, branch, sha, is_new=head_sha is None)
    return Committed(branch=branch, sha=sha, made=True)


def publish(
    github: GitHub, job: Job, prepared: Prepared, collected: Collected, committed: Committed
) -> Published:
    """Open the pull request, or bring the text of the one that is open up to date."""
    manifest, request = collected.manifest, prepared.accepted()
    title = text.title(manifest)
    place = text.Place(
        web_url=github.web_url(),
        sha=committed.sha,
        folder=f"{job.config.problems_folder}/{manifest.problem}",
        branch=committed.branch,
    )
    body = text.body(manifest, request, prepared.before, place)
    pull = standing_pull(github, committed.branch)
    if pull is not None:
        if not pull.is_open:
            raise UserError(say.pull_exists(pull.number, state=pull_state(pull)))
        github.edit_pull(pull.number, title, body)
        return _published(pull)
    base = prepared.workflow_ref or github.default_branch()
    new = NewPull(title=title, body=body, head=committed.branch, base=base)
    return _published(github.create_pull(new))


def _parent(
    github: GitHub,
    tools: Tools,
    job: Job,
    prepared: Prepared,
    branch: str,
    head_sha: str | None,
) -> str:
    """The commit to build on. Raises UserError where that would be over a person's work."""
    if job.pull_number is not None:
        # Time has passed since the run was started: ask again.
        check_own_pull(github, github.pull(job.pull_number), job, tools.login)
        if head_sha is None or head_sha != job.head_sha:
            raise UserError(say.foreign_commits(branch))
        return head_sha
    if head_sha is None:
        return _default_head(github, job, prepared)
    # Left by an earlier request of this issue that ended before its pull request.
    if not _is_ours(github, tools, head_sha, "kw-"):
        raise UserError(say.foreign_commits(branch))
    return head_sha


def _default_head(github: GitHub, job: Job, prepared: Prepared) -> str:
    """The default branch as it is now: it may have moved on during the run.

    Raises UserError where the problem's folder has appeared there meanwhile.
    """
    ref = prepared.workflow_ref or github.default_branch()
    head_sha = github.branch_head(ref)
    if head_sha is None:
        raise UserError(say.empty_repository())
    folder = f"{job.config.problems_folder}/{prepared.slug}"
    # A night's own start is about a kernel that is there, and replaces it.
    is_merged = isinstance(job.cause, Start) and job.cause.merged == prepared.slug
    if not is_merged and github.read_file(f"{folder}/problem.toml", head_sha) is not None:
        raise UserError(say.folder_appeared(folder, ref))
    return head_sha


def _in_folder(blobs: Mapping[str, str], folder: str) -> dict[str, str]:
    """The bundle's paths, which are `problems/<slug>/…` by contract, under the folder chosen."""
    return {f"{folder}/{path.removeprefix('problems/')}": sha for path, sha in blobs.items()}


def _is_ours(github: GitHub, tools: Tools, sha: str, request_id: str) -> bool:
    commit = github.commit(sha)
    return commit.author_name == tools.login and text.request_trailer(request_id) in commit.message


def _create_commit(github: GitHub, message: str, tree_sha: str, parent_sha: str) -> str:
    tries = Retrying(
        stop=stop_after_attempt(5),
        wait=wait_exponential(multiplier=0.2, max=2.0),
        retry=retry_if_exception(_is_tree_missing),
        reraise=True,
    )
    return tries(github.create_commit, message, tree_sha, parent_sha)


def _is_tree_missing(error: BaseException) -> bool:
    return isinstance(error, GitHubError) and _TREE_MISSING in error.message.lower()


def _point(github: GitHub, branch: str, sha: str, *, is_new: bool) -> None:
    try:
        if is_new:
            github.create_branch(branch, sha)
        else:
            github.move_branch(branch, sha)
    except GitHubError as error:
        # 422: the branch appeared or moved since we looked, so someone else has it.
        if error.status == 422:
            raise UserError(say.foreign_commits(branch)) from error
        raise


def _published(pull: Pull) -> Published:
    return Published(number=pull.number, url=pull.url)
