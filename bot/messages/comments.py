"""What the bot says in comments on issues and pull requests. Pure.

Every comment that must not be made twice starts with a hidden marker, by which it is found again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bot.handlers import INVALID_LABEL
from bot.messages.markdown import clip, code, fence, paragraphs, table
from bot.messages.run_facts import nearest_miss
from bot.records import Delivery, FaultRow, Job, Regenerate
from runner.contract import ResultBundle

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
            *_tables(["where", "what"], cells),
        ]
    )


def _where(row: FaultRow) -> str:
    return row.file if row.line is None else f"{row.file}, line {row.line}"


def _tables(header: list[str], cells: list[list[str]], rows_each: int = 40) -> list[str]:
    """Long tables in pieces, so that `clip` can drop the last of them."""
    return [table(header, cells[i : i + rows_each]) for i in range(0, len(cells), rows_each)]


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


def run_failed(conclusion: str, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) ended as {code(conclusion)} and handed back no kernel. Its log says "
        f"why. {again(job)}"
    )


def run_too_late(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) has not ended within {deadline_s / 3600:g} hours, so I stopped "
        f"waiting. Is a self-hosted runner with the label `gpu` online? {again(job)}"
    )


def run_overdue(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) started and has not ended within {deadline_s / 3600:g} hours, so I "
        f"cancelled it. Its machine may have been lost. {again(job)}"
    )


def not_stopped(deadline_s: float, run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) was asked to stop and has not within {deadline_s / 60:g} minutes, "
        f"so I stopped waiting; whatever it still hands back is not used. {again(job)}"
    )


def cancelled(by: str, run_url: str, job: Job) -> str:
    return (
        f"Cancelled, as {code(by)} asked. The [run]({run_url}) had no kernel to hand back. "
        f"{again(job)}"
    )


def cancelled_before_run(by: str, job: Job) -> str:
    return f"Cancelled, as {code(by)} asked, before a run was started. {again(job)}"


def superseded(by: str) -> str:
    return (
        f"Stopped in favour of newer words by {code(by)}. What was asked here is part of that next "
        "round, so nothing is lost."
    )


def folder_appeared(folder: str, branch: str) -> str:
    return (
        f"The folder {code(folder, 200)} exists on {code(branch)} by now, and I do not "
        "write over it. Rename the problem in the spec, or remove the folder, and ask again."
    )


def bundle_refused(reason: str, run_url: str, job: Job) -> str:
    return paragraphs(
        f"The [run]({run_url}) succeeded, but what it handed back failed its checks, so nothing "
        "was committed and no pull request was opened or changed:",
        fence(reason, limit=2000),
        again(job),
    )


def unsolved(manifest: ResultBundle, run_url: str, job: Job) -> str:
    """No attempt passed. Every attempt with its verdict."""
    cells = [
        [str(attempt.index), attempt.evaluation.status.value, code(attempt.evaluation.summary)]
        for attempt in manifest.attempts
    ]
    what = "changed nothing" if isinstance(job.cause, Regenerate) else "opened no pull request"
    return clip(
        [
            f"**No kernel passed** in {len(manifest.attempts)} attempts, so I {what}. The "
            f"[run]({run_url}) stopped because: {code(manifest.stopped_because)}.",
            again(job) + " A hint in the spec, a longer budget or clearer guidance may help.",
            nearest_miss(manifest.attempts),
            *_tables(["attempt", "verdict", "what was found"], cells),
        ]
    )


def unchanged(run_url: str, job: Job) -> str:
    return (
        f"The [run]({run_url}) came back with the very kernel that is already here, so there is "
        f"nothing to commit. Clearer guidance may help. {again(job)}"
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
