"""Pull requests and reviews in GitHub's JSON."""

from __future__ import annotations

from typing import Any

from bot.standin.shapes.issues import label
from bot.standin.shapes.repositories import (
    association,
    node_id,
    repository,
    repository_url,
    user,
    when,
)
from bot.standin.state import Issue, PullRequest, Repository, Review, ReviewComment


def _end(base: str, repo: Repository, ref: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(base, repo.owner),
        "repo": repository(base, repo),
    }


def pull_request_simple(
    base: str, repo: Repository, item: Issue, pull: PullRequest
) -> dict[str, Any]:
    """A pull request as lists and review events give it."""
    url = f"{repository_url(base, repo)}/pulls/{item.number}"
    issue_url = f"{repository_url(base, repo)}/issues/{item.number}"
    html = f"{base}/{repo.full_name}/pull/{item.number}"
    links = {
        "self": url,
        "html": html,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{repository_url(base, repo)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{repository_url(base, repo)}/statuses/{pull.head_sha}",
    }
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **{f"{name}_url": links[name] for name in links if name not in ("self", "html")},
        "number": item.number,
        "state": item.state,
        "locked": False,
        "title": item.title,
        "user": user(base, item.user),
        "body": item.body,
        "created_at": when(item.created_at),
        "updated_at": when(item.updated_at),
        "closed_at": when(item.closed_at),
        "merged_at": None,
        "merge_commit_sha": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label(base, repo, each) for each in item.labels],
        "milestone": None,
        "draft": pull.draft,
        "head": _end(base, repo, pull.head_ref, pull.head_sha),
        "base": _end(base, repo, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": association(repo, item.user),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def pull_request(base: str, repo: Repository, item: Issue, pull: PullRequest) -> dict[str, Any]:
    """A pull request by itself, with its counts."""
    changes = repo.git.changes(repo.git.merge_base(pull.base_sha, pull.head_sha), pull.head_sha)
    return {
        **pull_request_simple(base, repo, item, pull),
        "merged": False,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": None,
        "comments": len(item.comments),
        "review_comments": sum(len(review.comments) for review in pull.reviews),
        "maintainer_can_modify": False,
        "commits": len(repo.git.log(pull.base_sha, pull.head_sha)),
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


def review(base: str, repo: Repository, number: int, item: Review) -> dict[str, Any]:
    """A review as the API gives it; in webhooks the state is lower-case (see `events`)."""
    pull_url = f"{repository_url(base, repo)}/pulls/{number}"
    html = f"{base}/{repo.full_name}/pull/{number}#pullrequestreview-{item.id}"
    return {
        "id": item.id,
        "node_id": node_id("PullRequestReview", item.id),
        "user": user(base, item.user),
        "body": item.body or "",
        "state": item.state,
        "html_url": html,
        "pull_request_url": pull_url,
        "_links": {"html": {"href": html}, "pull_request": {"href": pull_url}},
        "submitted_at": when(item.submitted_at),
        "commit_id": item.commit_id,
        "author_association": association(repo, item.user),
    }


def review_comment(
    base: str, repo: Repository, number: int, head_sha: str, item: ReviewComment
) -> dict[str, Any]:
    """A comment on a line. Outdated ones, whose line has changed since, have no current line."""
    pull_url = f"{repository_url(base, repo)}/pulls/{number}"
    url = f"{repository_url(base, repo)}/pulls/comments/{item.id}"
    html = f"{base}/{repo.full_name}/pull/{number}#discussion_r{item.id}"
    current = _line(repo, head_sha, item) == _line(repo, item.commit_id, item)
    links = {"self": url, "html": html, "pull_request": pull_url}
    return {
        "url": url,
        "pull_request_review_id": item.review_id,
        "id": item.id,
        "node_id": node_id("PullRequestReviewComment", item.id),
        "diff_hunk": item.diff_hunk,
        "path": item.path,
        "position": item.position if current else None,
        "original_position": item.position,
        "commit_id": head_sha if current else item.commit_id,
        "original_commit_id": item.commit_id,
        "user": user(base, item.user),
        "body": item.body,
        "created_at": when(item.created_at),
        "updated_at": when(item.created_at),
        "html_url": html,
        "pull_request_url": pull_url,
        "author_association": association(repo, item.user),
        "_links": {name: {"href": link} for name, link in links.items()},
        "side": "RIGHT",
        "line": item.line if current else None,
        "original_line": item.line,
    }


def _line(repo: Repository, commit_sha: str, item: ReviewComment) -> bytes | None:
    content = repo.git.read_file(commit_sha, item.path)
    lines = content.splitlines() if content is not None else []
    return lines[item.line - 1] if item.line <= len(lines) else None
