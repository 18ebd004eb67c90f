"""What came of it: read back from git, from the pull request and from the artifacts, and checked.

Owns `result.json`. Takes nobody's word: a demo that did not open a pull request with two commits
of the bot, a passed second kernel and a second verification of each has failed, whatever was
printed on the way.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.checks import AGAIN_NAME
from bot.standin import Repository
from bot.standin.state import Account, Issue, PullRequest, WorkflowRun
from runner.contract import EvaluationStatus, ResultBundle
from runner.kernel_facts import kernel_digest

ROUNDS = 2
GENERATE = "generate.yml"


class NotDone(Exception):
    """Something that had to happen did not; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The facts of a finished demo."""

    issue: Issue
    pull_issue: Issue
    pull: PullRequest
    commits: tuple[str, ...]  # of the bot, oldest first
    subjects: Mapping[str, str]  # of the commits
    files: tuple[str, ...]
    bundles: tuple[ResultBundle, ...]  # one a round

    @property
    def statuses(self) -> list[list[str]]:
        """The verdicts of each round's attempts, in order."""
        return [[str(a.evaluation.status) for a in bundle.attempts] for bundle in self.bundles]

    def write(self, path: Path, seconds: dict[str, float]) -> None:
        """`result.json`; `seconds` is what each step took."""
        document = {
            "issue": self.issue.number,
            "pull_request": {
                "number": self.pull_issue.number,
                "title": self.pull_issue.title,
                "branch": self.pull.head_ref,
            },
            "commits": list(self.commits),
            "files": list(self.files),
            "statuses": self.statuses,
            "seconds": {step: round(taken_s, 2) for step, taken_s in seconds.items()},
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def only_pull(repository: Repository) -> tuple[Issue, PullRequest]:
    """The one pull request, open. Raises `NotDone`."""
    pulls = list(repository.pulls())
    if len(pulls) != 1 or pulls[0][0].state != "open":
        raise NotDone(f"there should be one open pull request, and there are {len(pulls)}")
    return pulls[0]


def collect(repository: Repository, issue: Issue, bot: Account) -> Outcome:
    """The outcome of both rounds. Raises `NotDone` for anything that is not as it must be."""
    pull_issue, pull = only_pull(repository)
    git = repository.git
    commits = git.log(pull.base_sha, f"refs/heads/{pull.head_ref}")
    authors = {git.commit(sha).author.email for sha in commits}
    if len(commits) != ROUNDS or authors != {bot.signature.email}:
        raise NotDone(f"the branch should have two commits by the bot, and has {len(commits)}")
    runs = [run for run in repository.runs if run.workflow_file == GENERATE]
    bundles = tuple(_manifest(run) for run in runs)
    if len(bundles) != ROUNDS:
        raise NotDone(f"there should have been two runs, and there were {len(bundles)}")
    files = tuple(change.path for change in git.changes(pull.base_sha, commits[-1]))
    _check_kernel(repository, commits, bundles)
    for sha in commits:
        if not is_verified(repository, sha):
            raise NotDone(f"{sha[:7]} was not verified again")
    return Outcome(
        issue=issue,
        pull_issue=pull_issue,
        pull=pull,
        commits=commits,
        subjects={sha: git.commit(sha).message.splitlines()[0] for sha in commits},
        files=files,
        bundles=bundles,
    )


def is_verified(repository: Repository, sha: str) -> bool:
    """Whether the second verification of a commit has ended. Raises `NotDone` where it failed."""
    for check in repository.check_runs:
        if (check.name, check.head_sha) == (AGAIN_NAME, sha) and check.conclusion is not None:
            if check.conclusion != "success":
                raise NotDone(f"{check.name} of {sha[:7]}: {check.title or check.conclusion}")
            return True
    return False


def _manifest(run: WorkflowRun) -> ResultBundle:
    if not run.artifacts:
        raise NotDone(f"the run '{run.display_title}' left no artifact")
    with zipfile.ZipFile(io.BytesIO(run.artifacts[0].data)) as archive:
        return ResultBundle.model_validate_json(archive.read("manifest.json"))


def _check_kernel(
    repository: Repository, commits: tuple[str, ...], bundles: tuple[ResultBundle, ...]
) -> None:
    """Each commit's kernel is the one that its round's verifier passed."""
    for sha, bundle in zip(commits, bundles, strict=True):
        path = f"problems/{bundle.problem}/kernel.py"
        kernel = repository.git.read_file(sha, path)
        best = bundle.best
        if kernel is None or best is None or best.status is not EvaluationStatus.PASSED:
            raise NotDone(f"{sha[:7]} has no kernel that passed")
        if kernel_digest(kernel.decode()) != best.candidate_sha256:
            raise NotDone(f"the kernel in {sha[:7]} is not the one that the verifier passed")
