"""What `/cancel`, `/status` and `/verify` are answered with. Pure."""

from __future__ import annotations

from bot.messages.markdown import code, fence, paragraphs
from bot.messages.progress import said_rows
from bot.records import Request, Standing
from bot.states import State

STATUS_MARKER = "<!-- kernelwright:status -->"
_IN_WORDS: dict[State, str] = {
    "received": "received",
    "gathering": "waiting for further reviews, to answer them together",
    "checking": "permission and spec are being checked",
    "queued": "waiting for the GPU machine",
    "running": "running",
    "cancelling": "stopping, with the best kernel so far",
    "delivering": "the result is being checked and committed",
    "published": "done: the kernel is in the pull request",
    "refused": "not started",
    "invalid": "not started: the spec has faults",
    "unsolved": "ended without a kernel to publish",
    "cancelled": "cancelled",
    "superseded": "stopped in favour of a newer round",
    "failed": "ended without a kernel",
}


def status(latest: Request | None, standing: Standing | None, now_s: float) -> str:
    """The one status comment of a thread, as things stand at Unix time `now_s`."""
    if latest is None:
        return f"{STATUS_MARKER}\nNo request has been made here yet."
    state: State = standing.state if standing is not None else "received"
    run = f" · [run]({standing.run_url})" if standing is not None and standing.run_url else ""
    what = latest.ended.end if latest.ended is not None else state
    rows = [f"- {_IN_WORDS[what]}{run}"]
    if latest.ended is None:
        rows.append(f"- under way for {_minutes(now_s - latest.opened_s)}")
        if standing is not None:
            rows.append(f"- in this state for {_minutes(now_s - standing.at_s)}")
            rows += [f"- {row}" for row in said_rows(standing.said)]
    head = f"**Round {latest.job.generation + 1}** ({code(latest.job.request_id)})"
    return paragraphs(f"{STATUS_MARKER}\n{head}", "\n".join(rows))


def _minutes(seconds: float) -> str:
    minutes = int(max(0.0, seconds) // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def nothing_to_verify() -> str:
    return "There is no open pull request with a kernel here."


def nothing_to_cancel() -> str:
    return "There is no run under way for this request, so there is nothing to cancel."


def cancelling(request_id: str) -> str:
    return (
        f"I asked {code(request_id)} to stop. The loop hands back the best kernel that it has; the "
        "progress comment shows how it ends."
    )


def verifying(head_sha: str) -> str:
    return f"The kernel at {head_sha} is being verified again; the result will be a check on it."


def verify_refused(reason: str) -> str:
    return paragraphs(
        "The kernel could not be verified again: GitHub refused the dispatch of `verify.yml`. It "
        "must be on the default branch, and the App needs the permission *Actions: write*.",
        fence(reason, limit=2000),
    )
