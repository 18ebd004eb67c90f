"""What the bot says in comments on issues and pull requests. Pure.

Every comment that must not be made twice starts with a hidden marker, by which it is found again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bot.handlers import INVALID_LABEL
from bot.messages.markdown import clip, code, fence, paragraphs, tables
from bot.records import Delivery, FaultRow, Job, Regenerate

PullState = Literal["open", "closed", "merged"]


def outcome_marker(request_id: str) -> str:
    return f"<!-- kernelwright:outcome request_id={request_id} -->"


def reply_marker(delivery_id: str) -> str:
    safe = "".join(char for char in delivery_id if char.isalnum() or char == "-")
    return f"<!-- kernelwright:reply delivery={safe} -->"


def again(job: Job) -> str:
    """How to try again, for the one who reads of a failure."""
    if isinstance(job.cause, Regenerate):
        return "To try again, comment `/regenerate <guidance>` here."
    return f"To try again, remove the label {code(job.config.label)} and add it again."


def outcome(job: Job, text: str) -> str:
    """The comment that ends a request. `text` is safe Markdown."""
    return f"{outcome_marker(job.request_id)}\n{text}"


def reply(delivery: Delivery, text: str) -> str:
    """An answer to one delivery for which no request was started."""
    return f"{reply_marker(delivery.delivery_id)}\n{text}"


def faults(rows: Iterable[FaultRow], job: Job) -> str:
    """Every fault of a spec with its line, and what to do."""
    mend = again(job)
    if not isinstance(job.cause, Regenerate):
        mend = f"Edit the issue. {mend} `{INVALID_LABEL}` goes away by itself."
    listed = list(rows)
    cells = [[code(_where(row)), code(row.message, 600)] for row in listed]
    head = "One fault" if len(listed) == 1 else f"{len(listed)} faults"
    return clip(
        [
            f"**{head} in the spec.** Nothing was run.",
            mend,
            *tables(["where", "what"], cells),
        ]
    )


def _where(row: FaultRow) -> str:
    return row.file if row.line is None else f"{row.file}, line {row.line}"


def busy(request_id: str) -> str:
    return (
        f"A run for this request is already under way ({code(request_id)}). Its progress is in the "
        "comment above; when it has ended you can ask again."
    )


def closed_issue(label: str) -> str:
    return f"This issue is closed. Reopen it, then add the label {code(label)} again."


def pull_exists(number: int, *, state: PullState) -> str:
    """Why a label starts nothing: this request already has its pull request."""
    if state == "open":
        return (
            f"This request already has a pull request: #{number}. To change the kernel, request "
            "changes in a review there, or comment `/regenerate <guidance>`."
        )
    if state == "merged":
        return (
            f"The kernel of this request was merged with #{number}. For another kernel, open a new "
            "issue."
        )
    return (
        f"The pull request of this request, #{number}, was closed. It stays closed unless you "
        "reopen it; then comment `/regenerate <guidance>` there. For a fresh start, open a new "
        "issue."
    )


def no_pull(label: str) -> str:
    return (
        "There is no open pull request with a kernel for this, so there is nothing to change. To "
        f"make a first kernel, add the label {code(label)} to the request's issue."
    )


def foreign_commits(branch: str) -> str:
    return (
        f"The branch {code(branch)} has commits that are not mine, and I do not build on or over "
        "the work of a person. Merge or close the pull request as it is, or move those commits to "
        "another branch, and ask again."
    )


def empty_repository() -> str:
    return "This repository has no commit on its default branch yet, so there is nothing to add to."


def incomplete_branch(branch: str) -> str:
    return (
        f"The branch {code(branch)} lacks `problem.toml`, `reference.py` or `kernel.py` in its "
        "problem folder, so there is no kernel to start from."
    )


def dispatch_failed(reason: str, job: Job) -> str:
    return paragraphs(
        "The run could not be started: GitHub refused the dispatch of `generate.yml`. It must be "
        "on the default branch, Actions must be enabled, and the App needs the permission "
        "*Actions: write*.",
        fence(reason, limit=2000),
        again(job),
    )


def folder_appeared(folder: str, branch: str) -> str:
    return (
        f"The folder {code(folder, 200)} exists on {code(branch)} by now, and I do not "
        "write over it. Rename the problem in the spec, or remove the folder, and ask again."
    )


def unexpected(job: Job) -> str:
    """For what is not the user's fault: only the id, by which the operator finds the log."""
    return (
        "Something went wrong on my side, and the request has ended. The operator finds the reason "
        f"in the log under {code(job.request_id)}. {again(job)}"
    )


def unexpected_id(request_id: str) -> str:
    """As `unexpected`, for a command."""
    return (
        "Something went wrong on my side. The operator finds the reason in the log under "
        f"{code(request_id)}. You can simply ask again."
    )


def superseding(request_id: str) -> str:
    return (
        f"A run for earlier words is under way ({code(request_id)}). I asked it to stop, and start "
        "the next round with those words and yours as soon as it has."
    )


def too_many_rounds(limit: int) -> str:
    return f"This request has had {limit} rounds, and I stop there. For more, open a new issue."


def unexpected_delivery(delivery: Delivery) -> str:
    return (
        "Something went wrong on my side, and nothing was started. The operator finds the reason "
        f"in the log under {code(delivery.delivery_id, 80)}. You can simply ask again."
    )
