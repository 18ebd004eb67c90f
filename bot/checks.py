"""The check runs on a pull request's head: the verdicts, where reviewers and branch rules look.

Owns their names. Looks for the check of the same request before it creates one.
"""

from __future__ import annotations

from bot.claims import all_hold
from bot.github_api import Conclusion, GitHub, NewCheckRun
from bot.messages.change import check_summary, check_title
from bot.messages.claims import claims_summary, claims_title
from bot.records import VerifyJob
from bot.verdict import Verdict
from runner.contract import ResultBundle

CHECK_NAME = "kernelwright / verification"
AGAIN_NAME = "kernelwright / verified again"


def report(github: GitHub, manifest: ResultBundle, head_sha: str) -> None:
    """Say on commit `head_sha` what was verified."""
    check = NewCheckRun(
        name=CHECK_NAME,
        head_sha=head_sha,
        external_id=manifest.request_id or "",
        conclusion="success",
        title=check_title(manifest),
        summary=check_summary(manifest),
    )
    _put(github, check)


def show_again(github: GitHub, job: VerifyJob, run_url: str, verdict: Verdict | None) -> None:
    """Say on the head how its verification stands; `verdict` None while it is under way."""
    passed = verdict.passed if verdict is not None else None
    evaluation = verdict.evaluation if verdict is not None else None
    claims = verdict.claims if verdict is not None else ()
    conclusion: Conclusion | None = None
    if passed is not None:
        conclusion = "success" if passed and all_hold(claims) else "failure"
    check = NewCheckRun(
        name=AGAIN_NAME,
        head_sha=job.head_sha,
        external_id=job.request_id,
        conclusion=conclusion,
        title=claims_title(passed, claims),
        summary=claims_summary(job, run_url, evaluation, claims),
        details_url=run_url,
    )
    _put(github, check)


def _put(github: GitHub, check: NewCheckRun) -> None:
    for existing in github.check_runs(check.head_sha):
        if existing.name == check.name and existing.external_id == check.external_id:
            github.edit_check_run(existing.id, check)
            return
    github.create_check_run(check)
