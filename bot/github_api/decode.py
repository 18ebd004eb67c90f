"""GitHub's JSON → the bot's own types, field by field. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.github_api.types import (
    CheckRun,
    Comment,
    Commit,
    HookDelivery,
    Issue,
    Labelling,
    NewCheckRun,
    Pull,
    PullCommit,
    ReviewComment,
    Run,
)


def issue(row: dict[str, Any]) -> Issue:
    labels = [label if isinstance(label, str) else label["name"] for label in row["labels"]]
    return Issue(
        number=row["number"],
        body=row.get("body") or "",
        is_open=row["state"] == "open",
        labels=tuple(labels),
    )


def comment(row: dict[str, Any]) -> Comment:
    return Comment(id=row["id"], author=_login(row.get("user")) or "", body=row.get("body") or "")


def run(row: dict[str, Any]) -> Run:
    return Run(
        id=row["id"],
        url=row["html_url"],
        title=f"{row.get('display_title') or ''} {row.get('name') or ''}",
        status=row.get("status") or "queued",
        conclusion=row.get("conclusion"),
        attempt=row.get("run_attempt") or 1,
        repository_id=(row.get("repository") or {}).get("id"),
        path=str(row.get("path") or "").partition("@")[0],
        event=row.get("event") or "",
        branch=row.get("head_branch") or "",
    )


def commit(row: dict[str, Any]) -> Commit:
    return Commit(
        sha=row["sha"],
        tree_sha=row["tree"]["sha"],
        message=row["message"],
        author_name=row["author"]["name"],
    )


def pull(row: dict[str, Any]) -> Pull:
    repository = row["head"].get("repo")
    return Pull(
        number=row["number"],
        url=row["html_url"],
        is_open=row["state"] == "open",
        is_merged=bool(row.get("merged_at")),
        author=_login(row.get("user")) or "",
        head_ref=row["head"]["ref"],
        head_sha=row["head"]["sha"],
        head_repository=repository["full_name"] if repository else None,
    )


def pull_commit(row: dict[str, Any]) -> PullCommit:
    return PullCommit(
        sha=row["sha"], author=_login(row.get("author")), message=row["commit"]["message"]
    )


def review_comment(row: dict[str, Any]) -> ReviewComment:
    return ReviewComment(
        path=row["path"],
        # GitHub says null for the line of a comment whose code has changed since.
        line=row.get("line") or row.get("original_line"),
        diff_hunk=row.get("diff_hunk") or "",
        body=row.get("body") or "",
    )


def check_run(row: dict[str, Any]) -> CheckRun:
    return CheckRun(id=row["id"], name=row["name"], external_id=row.get("external_id") or "")


def check_fields(check: NewCheckRun) -> dict[str, Any]:
    """The body of a check run's creation or change, but for the commit that it is about."""
    fields: dict[str, Any] = {
        "name": check.name,
        "external_id": check.external_id,
        "status": "completed" if check.conclusion else "in_progress",
        "output": {"title": check.title, "summary": check.summary},
    }
    if check.conclusion:
        fields["conclusion"] = check.conclusion
    if check.details_url:
        fields["details_url"] = check.details_url
    return fields


def labelling(row: dict[str, Any]) -> Labelling:
    return Labelling(
        event_id=row["id"],
        label=row["label"]["name"],
        actor=_login(row.get("actor")) or "",
        at_s=_unix_s(row["created_at"]),
    )


def hook_delivery(row: dict[str, Any]) -> HookDelivery:
    return HookDelivery(
        id=row["id"],
        guid=row["guid"],
        at_s=_unix_s(row["delivered_at"]),
        status=row.get("status_code") or 0,
    )


def _unix_s(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()


def _login(user: dict[str, Any] | None) -> str | None:
    return user["login"] if user else None
