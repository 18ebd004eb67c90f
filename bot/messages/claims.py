"""What the check of a second verification says: each claim beside what was found. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.claims import Claim
from bot.messages.markdown import clip, code, fence, paragraphs, table
from bot.records import VerifyJob
from runner.contract import Evaluation

_MARKS = {True: "✅ holds", False: "❌ does not hold", None: "— no verdict"}
_MAX_CLAIMS = 200
# GitHub cuts the summary of a check run above this.
MAX_CHECK_CHARS = 65_535


def claims_title(passed: bool | None, claims: Sequence[Claim]) -> str:
    """The check's one line. `passed` None: under way."""
    if passed is None:
        return "being verified again"
    if not passed:
        return "verified again: did not pass"
    refuted = sum(claim.holds is False for claim in claims)
    if refuted:
        return f"verified again: correct, but {refuted} of {len(claims)} claims do not hold"
    open_ones = [claim.what for claim in claims if claim.holds is None]
    if "speed" in open_ones:
        return "verified again: passed; no verdict on speed"
    held = len(claims) - len(open_ones)
    return f"verified again: passed; {held} of {len(claims)} claims hold"


def claims_summary(
    job: VerifyJob, run_url: str, evaluation: Evaluation | None, claims: Sequence[Claim]
) -> str:
    """The check's text. What the run and the committed results say is foreign text."""
    why = "For the new head, by itself" if job.automatic else f"Asked for by {code(job.sender)}"
    asked = f"{why} · [run]({run_url}) · {code(job.request_id)}"
    if evaluation is None:
        return paragraphs(asked, "The run has not handed back a verdict.")
    rows = [
        [code(claim.what, 200), code(claim.recorded, 120), code(claim.found, 200),
         _MARKS[claim.holds]]
        for claim in claims[:_MAX_CLAIMS]
    ]  # fmt: skip
    left_out = len(claims) - len(rows)
    note = f"({left_out} more claims are left out here.)" if left_out > 0 else ""
    apart = [claim for claim in claims if claim.what == "speed" and claim.holds is None]
    return clip(
        [
            asked,
            f"**{evaluation.status.value}**",
            paragraphs(table(["claim", "in the pull request", "on this machine", ""], rows), note),
            "Times of one GPU say nothing of another: there is no verdict on speed here."
            if apart
            else "",
            fence(evaluation.summary, limit=4000),
        ],
        MAX_CHECK_CHARS,
    )
