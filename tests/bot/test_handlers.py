"""Which event starts what."""

from __future__ import annotations

from typing import Any

import pytest

from bot.events import EVENT_TYPES
from bot.handlers import branch_name, decide, read_branch_name
from bot.records import Asked, Regenerate, RunMoved, Start, Usage

LOGIN = "kernelwright[bot]"
HUMAN = {"login": "mona", "type": "User"}
BOT = {"login": LOGIN, "type": "Bot"}
OUR_LABELS = [{"name": "kernel-request"}]


def decided(name: str, payload: dict[str, Any], sender: dict[str, str] = HUMAN) -> Any:
    frame = {"repository": {"full_name": "octo/kernels"}, "sender": sender}
    return decide(EVENT_TYPES[name].model_validate({**frame, **payload}), LOGIN)


def labeled(name: str, action: str = "labeled", **issue: Any) -> dict[str, Any]:
    # The issue carries the label already: only the event's own label may count.
    fields = {"number": 7, "labels": OUR_LABELS, **issue}
    return {"action": action, "issue": fields, "label": {"name": name}}


def comment(body: str | None, action: str = "created", **issue: Any) -> dict[str, Any]:
    fields = {"number": 7, "labels": OUR_LABELS, "user": HUMAN, **issue}
    return {"action": action, "issue": fields, "comment": {"id": 5, "body": body}}


def review(state: str = "changes_requested", ref: str = "kernel/7-add-one", **changes: Any) -> Any:
    head = {"ref": ref, "repo": {"full_name": "octo/kernels"}}
    pull = {"number": 9, "user": BOT, "head": head, **changes.pop("pull", {})}
    fields = {"id": 3, "state": state, "body": "slow", **changes}
    return {"action": "submitted", "pull_request": pull, "review": fields}


def run(action: str, title: str) -> dict[str, Any]:
    return {"action": action, "workflow_run": {"id": 1, "name": "generate", "display_title": title}}


ON_PULL = {"pull_request": {"url": "u"}, "user": BOT, "labels": []}
GUIDED = Regenerate(
    thread_number=7, pull_number=None, sender="mona", guidance="faster", comment_id=5
)
USAGE = Usage(thread_number=7, on_pull=False, comment_id=5, sender="mona")


@pytest.mark.parametrize(
    ("name", "payload", "decision"),
    [
        ("issues", labeled("kernel-request"), Start(issue_number=7, sender="mona")),
        # Only the repository's configuration, which is read later, says what another label means.
        ("issues", labeled("gpu"), Start(issue_number=7, sender="mona", label="gpu")),
        ("issue_comment", comment("/regenerate faster"), GUIDED),
        (
            "issue_comment",
            comment("/regenerate faster", **ON_PULL),
            GUIDED.model_copy(update={"pull_number": 7}),
        ),
        ("issue_comment", comment("/regenerate"), GUIDED.model_copy(update={"guidance": ""})),
        (
            "issue_comment",
            comment("/regenerate --budget 30m --from scratch faster"),
            GUIDED.model_copy(update={"budget_s": 1800.0, "start": "scratch"}),
        ),
        ("issue_comment", comment("/help"), USAGE),
        ("issue_comment", comment("/help", labels=[]), USAGE),
        (
            "issue_comment",
            comment("/frobnicate"),
            USAGE.model_copy(update={"problem": "unknown command /frobnicate"}),
        ),
        (
            "issue_comment",
            comment("/cancel now", **ON_PULL),
            USAGE.model_copy(
                update={
                    "on_pull": True,
                    "problem": "/cancel takes no arguments, found: now",
                    "meant": "cancel",
                }
            ),
        ),
        *(
            (
                "issue_comment",
                comment(f"/{name}", **where),
                Asked(
                    command=name,
                    thread_number=7,
                    on_pull=bool(where),
                    comment_id=5,
                    sender="mona",
                ),
            )
            for name in ("cancel", "status", "verify")
            for where in ({}, ON_PULL)
        ),
        (
            "pull_request_review",
            review(),
            Regenerate(thread_number=9, pull_number=9, sender="mona", guidance="slow", review_id=3),
        ),
        (
            "pull_request_review",
            review(body=None),
            Regenerate(thread_number=9, pull_number=9, sender="mona", guidance="", review_id=3),
        ),
        (
            "pull_request_review",
            review(body="a\x00\u202eb " + "x" * 65_536),
            Regenerate(
                thread_number=9,
                pull_number=9,
                sender="mona",
                guidance="ab " + "x" * 7_997,
                review_id=3,
            ),
        ),
        (
            "workflow_run",
            run("completed", "kernelwright kw-0123456789abcdef"),
            RunMoved(request_id="kw-0123456789abcdef"),
        ),
    ],
)
def test_what_starts_work(name: str, payload: dict[str, Any], decision: Any) -> None:
    assert decided(name, payload) == decision


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("issues", labeled("kernel-request:invalid")),
        ("issues", labeled("kernel-request", action="unlabeled")),
        ("issues", labeled("kernel-request", pull_request={"url": "u"})),
        ("issues", {"action": "opened", "issue": {"number": 7, "labels": OUR_LABELS}}),
        ("issue_comment", comment("words")),
        ("issue_comment", comment(None)),
        ("issue_comment", comment("/regenerate faster", action="edited")),
        ("issue_comment", comment("> /regenerate faster")),
        ("issue_comment", comment("```\n/regenerate faster\n```")),
        ("issue_comment", comment("/lgtm", pull_request={"url": "u"}, labels=[])),
        ("pull_request_review", review("approved")),
        ("pull_request_review", review("commented")),
        ("pull_request_review", review(ref="feature/7-x")),
        ("pull_request_review", {**review(), "action": "dismissed"}),
        (
            "pull_request_review",
            review(pull={"head": {"ref": "kernel/7-a", "repo": {"full_name": "eve/kernels"}}}),
        ),
        ("pull_request_review", review(pull={"head": {"ref": "kernel/7-a", "repo": None}})),
        ("workflow_run", run("requested", "kernelwright kw-0123456789abcdef")),
        ("workflow_run", run("completed", "nightly")),
        ("workflow_run", run("completed", "kernelwright kw-0123")),
    ],
)
def test_what_starts_nothing(name: str, payload: dict[str, Any]) -> None:
    assert decided(name, payload) is None


@pytest.mark.parametrize("sender", [BOT, {"login": "other[bot]", "type": "Bot"}, {"login": LOGIN}])
def test_bots_start_nothing_but_their_runs_count(sender: dict[str, str]) -> None:
    assert decided("issues", labeled("kernel-request"), sender) is None
    assert decided("issue_comment", comment("/help"), sender) is None
    moved = decided("workflow_run", run("completed", "kernelwright kw-0123456789abcdef"), sender)
    assert moved == RunMoved(request_id="kw-0123456789abcdef")


@pytest.mark.parametrize("slug", ["a", "rms_norm", "relative_position_attention", "a1_b2"])
def test_a_branch_name_can_be_read_back(slug: str) -> None:
    assert read_branch_name(branch_name(12, slug)) == (12, slug)


@pytest.mark.parametrize(
    "ref", ["main", "kernel/x-a", "kernel/1-", "kernel/01-a", "kernel/1-A", "kernel/1-a/b"]
)
def test_a_foreign_branch_is_not_read(ref: str) -> None:
    assert read_branch_name(ref) is None
