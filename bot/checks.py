"""The check run on a pull request's head: the verdict, where reviewers and branch rules look.

Owns its name. Looks for the check of the same request before it creates one.
"""

from __future__ import annotations

from bot.github_api import GitHub, NewCheckRun
from bot.messages.change import check_summary, check_title
from runner.contract import ResultBundle

CHECK_NAME = "kernelwright / verification"


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
    for existing in github.check_runs(head_sha):
        if existing.name == CHECK_NAME and existing.external_id == check.external_id:
            github.edit_check_run(existing.id, check)
            return
    github.create_check_run(check)
