"""What is asked for → a `KernelRequest`: from the issue's form, or from the branch of a kernel.

Owns every reason why a request cannot be run as it stands. Changes nothing on GitHub.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot import issue_form
from bot.config import PATH, RepositoryConfig
from bot.durations import show_duration
from bot.errors import NotFound, UserError
from bot.github_api import GitHub, Pull
from bot.handlers import branch_name
from bot.messages import comments as say
from bot.messages.pull_request import request_trailer
from bot.records import FaultRow, Job, Prepared, Regenerate, Start
from bot.review import read_feedback
from bot.tools import Tools
from runner.contract import (
    MAX_DISPATCH_CHARS,
    Budget,
    Feedback,
    KernelRequest,
    KernelResources,
)
from runner.errors import Fault, ProblemError
from runner.kernel_facts import kernel_digest
from runner.problem import Problem, parse_problem

SPEC_FILES = ("problem.toml", "reference.py", "baseline.py")
_RESOURCES = TypeAdapter(tuple[KernelResources, ...])


def prepare(github: GitHub, tools: Tools, job: Job) -> Prepared:
    """A request ready to dispatch, or every fault of the spec. Raises UserError for other ends."""
    ref = github.default_branch()
    base_sha = github.branch_head(ref)
    if base_sha is None:
        raise UserError(say.empty_repository())
    if isinstance(job.cause, Start) and job.cause.merged is not None:
        prepared = _from_merged(github, job, base_sha, job.cause)
    elif job.head_sha is None:
        prepared = _from_issue(github, job, base_sha)
    else:
        prepared = _from_branch(github, job, base_sha, tools.login)
    return prepared.model_copy(update={"workflow_ref": ref, "at_s": tools.now_s()})


def dispatch_inputs(request: KernelRequest, runner_labels: Sequence[str] = ()) -> dict[str, str]:
    """The inputs of `generate.yml` for a request.

    ASCII only: the job takes the request as an environment variable, of which Linux allows 128 KiB,
    and GitHub's limit counts characters. So one limit covers both.
    """
    document = json.dumps(request.model_dump(mode="json"), separators=(",", ":"))
    return {"request": document, "request_id": request.request_id, **runner_input(runner_labels)}


def runner_input(labels: Sequence[str]) -> dict[str, str]:
    """The input by which a workflow runs elsewhere than it says itself; none without `labels`."""
    return {"runner": json.dumps(list(labels))} if labels else {}


def _from_issue(github: GitHub, job: Job, base_sha: str) -> Prepared:
    issue = github.issue(job.issue_number)
    if not issue.is_open:
        raise UserError(say.closed_issue(job.config.label), "refused")
    form = issue_form.parse_form(issue.body)
    faults = list(form.faults)
    slug: str | None = None
    if not faults:
        try:
            problem = parse_problem(form.problem_toml, form.reference_py, form.baseline_py)
            slug = problem.name
            faults += _house_rules(problem, form.budget_s, job.config)
        except ProblemError as error:
            faults += error.faults
    if slug is None or faults:
        return _faulty(faults, slug)
    pull = standing_pull(github, branch_name(job.issue_number, slug))
    if pull is not None:
        raise UserError(say.pull_exists(pull.number, state=pull_state(pull)), "refused")
    request = KernelRequest(
        **_identity(job, base_sha),
        problem_toml=form.problem_toml,
        reference_py=form.reference_py,
        baseline_py=form.baseline_py,
        budget=_spend(job, form.budget_s),
    )
    return _sized(request, slug, job.config)


def _from_merged(github: GitHub, job: Job, base_sha: str, cause: Start) -> Prepared:
    """Spec and kernel as the default branch has them: a night found that kernel in trouble."""
    slug = cause.merged or ""
    pull = standing_pull(github, branch_name(job.issue_number, slug))
    if pull is not None:
        raise UserError(say.pull_exists(pull.number, state=pull_state(pull)), "refused")
    folder = f"{job.config.problems_folder}/{slug}"
    texts = {name: github.read_file(f"{folder}/{name}", base_sha) for name in SPEC_FILES}
    kernel = github.read_file(f"{folder}/kernel.py", base_sha)
    problem_toml, reference_py = texts["problem.toml"], texts["reference.py"]
    if problem_toml is None or reference_py is None or kernel is None:
        raise UserError(say.incomplete_branch(github.default_branch()))
    request = KernelRequest(
        **_identity(job, base_sha),
        problem_toml=problem_toml,
        reference_py=reference_py,
        baseline_py=texts["baseline.py"],
        budget=_spend(job),
        feedback=Feedback(author=cause.sender, text=cause.finding),
        parent_kernel=kernel,
        parent_head_sha=base_sha,
    )
    before = read_resources(github.read_file(f"{folder}/results.json", base_sha))
    known = {"before": before, "kernel_sha256": kernel_digest(kernel)}
    return _sized(request, slug, job.config).model_copy(update=known)


def _from_branch(github: GitHub, job: Job, base_sha: str, login: str) -> Prepared:
    """Spec and kernel as they are on the branch: the issue may say something else by now."""
    slug, head_sha = job.slug, job.head_sha
    if slug is None or head_sha is None or job.pull_number is None:
        raise ValueError("a job for an existing kernel needs its branch")
    pull = github.pull(job.pull_number)
    check_own_pull(github, pull, job, login)
    folder = f"{job.config.problems_folder}/{slug}"
    texts = {name: github.read_file(f"{folder}/{name}", head_sha) for name in SPEC_FILES}
    kernel = github.read_file(f"{folder}/kernel.py", head_sha)
    problem_toml, reference_py = texts["problem.toml"], texts["reference.py"]
    if problem_toml is None or reference_py is None or kernel is None:
        raise UserError(say.incomplete_branch(pull.head_ref))
    cause = _regenerate(job)
    goes_on = cause.start == "best"
    request = KernelRequest(
        **_identity(job, base_sha),
        problem_toml=problem_toml,
        reference_py=reference_py,
        baseline_py=texts["baseline.py"],
        budget=_budget(github, job, cause),
        feedback=read_feedback(github, cause, head_sha),
        parent_kernel=kernel if goes_on else None,
        parent_head_sha=head_sha if goes_on else None,
    )
    before = read_resources(github.read_file(f"{folder}/results.json", head_sha))
    known = {"before": before, "kernel_sha256": kernel_digest(kernel)}
    return _sized(request, slug, job.config).model_copy(update=known)


def check_own_pull(github: GitHub, pull: Pull, job: Job, login: str) -> None:
    """Raises UserError unless `pull` is ours, open, unmoved, and has no commit of a person."""
    if pull.author != login:
        raise UserError(say.no_pull(job.config.label), "refused")
    if not pull.is_open:
        raise UserError(say.pull_exists(pull.number, state=pull_state(pull)), "refused")
    foreign = [
        commit
        for commit in github.pull_commits(pull.number)
        if commit.author != login or request_trailer("kw-") not in commit.message
    ]
    if foreign or pull.head_sha != job.head_sha:
        raise UserError(say.foreign_commits(pull.head_ref), "refused")


def standing_pull(github: GitHub, branch: str) -> Pull | None:
    """The pull request that `branch` has: the open one, or else the newest."""
    pulls = github.pulls_of_branch(branch)
    return next((pull for pull in pulls if pull.is_open), pulls[0] if pulls else None)


def pull_state(pull: Pull) -> say.PullState:
    if pull.is_open:
        return "open"
    return "merged" if pull.is_merged else "closed"


def read_resources(results_json: str | None) -> tuple[KernelResources, ...]:
    """The resources of the kernel that a `results.json` is about; empty where it does not say."""
    try:
        document: Any = json.loads(results_json or "null")
        rows = document["evaluation"]["resources"] if isinstance(document, dict) else ()
        return _RESOURCES.validate_python(rows)
    except (ValueError, KeyError, TypeError, ValidationError):
        return ()


def _identity(job: Job, base_sha: str) -> dict[str, Any]:
    return {
        "request_id": job.request_id,
        "repository": job.repository,
        "base_sha": base_sha,
        "issue_number": job.issue_number,
        "generation": job.generation,
        "requested_by": job.cause.sender,
    }


def _budget(github: GitHub, job: Job, cause: Regenerate) -> Budget:
    """What the command says, or the issue, or the default; a later round never over the maximum."""
    rules = job.config.budget
    asked_s = cause.budget_s
    if asked_s is None:
        try:
            asked_s = issue_form.parse_form(github.issue(job.issue_number).body).budget_s
        except NotFound:
            asked_s = None  # the issue is gone; its pull request lives
    return _spend(job, min(asked_s or rules.default_s, rules.max_s))


def _spend(job: Job, asked_s: float | None = None) -> Budget:
    """Time as asked, or the default; tokens as the repository allows."""
    rules = job.config.budget
    return Budget(wall_clock_s=asked_s or rules.default_s, max_tokens=rules.tokens)


def _house_rules(problem: Problem, budget_s: float | None, config: RepositoryConfig) -> list[Fault]:
    """What this repository asks of every spec beyond what a spec must be."""
    faults = []
    missing = [name for name in config.baselines if name not in problem.baselines]
    if missing:
        message = f"baselines must also name {', '.join(missing)}: {PATH} requires it"
        faults.append(Fault("problem.toml", None, message))
    if budget_s is not None and budget_s > config.budget.max_s:
        asked, most = show_duration(budget_s), config.budget.max
        message = f"the budget, {asked}, is more than this repository allows, {most} ({PATH})"
        faults.append(Fault("issue", None, message))
    return faults


def _regenerate(job: Job) -> Regenerate:
    if not isinstance(job.cause, Regenerate):
        raise TypeError("a first kernel has no feedback")
    return job.cause


def _sized(request: KernelRequest, slug: str, config: RepositoryConfig) -> Prepared:
    """GitHub caps all inputs of a dispatch together: said as a fault before it is refused there."""
    inputs = dispatch_inputs(request, config.runner_labels)
    size = sum(len(name) + len(value) for name, value in inputs.items())
    if size > MAX_DISPATCH_CHARS:
        message = (
            f"spec, reference, baselines and guidance need {size} characters as one dispatch; "
            f"GitHub takes {MAX_DISPATCH_CHARS}"
        )
        return _faulty([Fault("issue", None, message)], slug)
    return Prepared(at_s=0.0, request=request, slug=slug)


def _faulty(faults: list[Fault], slug: str | None) -> Prepared:
    rows = [FaultRow(file=f.file, line=f.line, message=f.message) for f in faults]
    return Prepared(at_s=0.0, request=None, slug=slug, faults=tuple(rows))
