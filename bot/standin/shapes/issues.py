"""Labels, reactions, issues and comments in GitHub's JSON."""

from __future__ import annotations

from typing import Any

from bot.standin.shapes.repositories import association, node_id, repository_url, user, when
from bot.standin.state import Comment, Issue, Label, Labelling, Reaction, Repository

_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def label(base: str, repo: Repository, item: Label) -> dict[str, Any]:
    return {
        "id": item.id,
        "node_id": node_id("Label", item.id),
        "url": f"{repository_url(base, repo)}/labels/{item.name}",
        "name": item.name,
        "color": item.color,
        "default": False,
        "description": item.description,
    }


def reaction(base: str, item: Reaction) -> dict[str, Any]:
    return {
        "id": item.id,
        "node_id": node_id("Reaction", item.id),
        "user": user(base, item.user),
        "content": item.content,
        "created_at": when(item.created_at),
    }


def _rollup(url: str, reactions: list[Reaction]) -> dict[str, Any]:
    counts = {name: sum(r.content == name for r in reactions) for name in _REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(reactions), **counts}


def issue(base: str, repo: Repository, item: Issue) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/issues/{item.number}"
    page = "pull" if item.pull else "issues"
    shape: dict[str, Any] = {
        "url": url,
        "repository_url": repository_url(base, repo),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{base}/{repo.full_name}/{page}/{item.number}",
        "id": item.id,
        "node_id": node_id("Issue", item.id),
        "number": item.number,
        "title": item.title,
        "user": user(base, item.user),
        "labels": [label(base, repo, each) for each in item.labels],
        "state": item.state,
        "locked": item.number in repo.locked,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(item.comments),
        "created_at": when(item.created_at),
        "updated_at": when(item.updated_at),
        "closed_at": when(item.closed_at),
        "author_association": association(repo, item.user),
        "active_lock_reason": None,
        "body": item.body,
        "reactions": _rollup(url, item.reactions),
        "state_reason": "completed" if item.closed_at else None,
    }
    if item.pull:
        pull_url = f"{repository_url(base, repo)}/pulls/{item.number}"
        html = shape["html_url"]
        shape["pull_request"] = {
            "url": pull_url,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": None,
        }
    return shape


def comment(base: str, repo: Repository, item: Issue, note: Comment) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/issues/comments/{note.id}"
    page = "pull" if item.pull else "issues"
    return {
        "url": url,
        "html_url": f"{base}/{repo.full_name}/{page}/{item.number}#issuecomment-{note.id}",
        "issue_url": f"{repository_url(base, repo)}/issues/{item.number}",
        "id": note.id,
        "node_id": node_id("IssueComment", note.id),
        "user": user(base, note.user),
        "created_at": when(note.created_at),
        "updated_at": when(note.updated_at),
        "author_association": association(repo, note.user),
        "body": note.body,
        "reactions": _rollup(url, note.reactions),
        "performed_via_github_app": None,
    }


def labelled(base: str, repo: Repository, item: Labelling) -> dict[str, Any]:
    """One event of an issue, in the list of its events."""
    return {
        "id": item.id,
        "node_id": node_id("LabeledEvent", item.id),
        "url": f"{repository_url(base, repo)}/issues/events/{item.id}",
        "actor": user(base, item.user),
        "event": "labeled",
        "commit_id": None,
        "commit_url": None,
        "created_at": when(item.at),
        "performed_via_github_app": None,
        "label": {"name": item.label.name, "color": item.label.color},
    }
