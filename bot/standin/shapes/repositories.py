"""Accounts, repositories and permissions in GitHub's JSON."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from bot.standin.state import ROLES, Account, Repository, Role

_LEGACY: dict[Role, str] = {
    "none": "none",
    "read": "read",
    "triage": "read",
    "write": "write",
    "maintain": "write",
    "admin": "admin",
}
# Field name without `_url` → what follows the repository's URL.
_REPOSITORY_LINKS = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "contributors": "/contributors",
    "deployments": "/deployments",
    "downloads": "/downloads",
    "events": "/events",
    "forks": "/forks",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "languages": "/languages",
    "merges": "/merges",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "stargazers": "/stargazers",
    "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers",
    "subscription": "/subscription",
    "tags": "/tags",
    "teams": "/teams",
    "trees": "/git/trees{/sha}",
}


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def when(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def repository_url(base: str, repository: Repository) -> str:
    return f"{base}/repos/{repository.full_name}"


def user(base: str, account: Account) -> dict[str, Any]:
    url = f"{base}/users/{account.login}"
    links = ("followers", "organizations", "received_events", "repos", "subscriptions")
    slug = account.login.removesuffix("[bot]")
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{base}/avatars/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{base}/apps/{slug}" if account.kind == "Bot" else f"{base}/{account.login}",
        **{f"{link}_url": f"{url}/{'orgs' if link == 'organizations' else link}" for link in links},
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "events_url": f"{url}/events{{/privacy}}",
        "type": account.kind,
        "site_admin": False,
    }


def public_user(base: str, account: Account, created_at: datetime) -> dict[str, Any]:
    nothing = ("name", "company", "location", "email", "hireable", "bio")
    return {
        **user(base, account),
        **dict.fromkeys(nothing),
        "blog": "",
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": when(created_at),
        "updated_at": when(created_at),
        "user_view_type": "public",
    }


def minimal_repository(base: str, repository: Repository) -> dict[str, Any]:
    """The repository as it stands inside other objects and in webhooks."""
    url = repository_url(base, repository)
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "owner": user(base, repository.owner),
        "private": False,
        "html_url": f"{base}/{repository.full_name}",
        "description": None,
        "fork": False,
        "url": url,
        **{f"{name}_url": url + rest for name, rest in _REPOSITORY_LINKS.items()},
    }


def repository(base: str, repo: Repository) -> dict[str, Any]:
    """The whole repository, as `GET /repos/{owner}/{repo}` gives it."""
    html = f"{base}/{repo.full_name}"
    open_issues = sum(issue.state == "open" for issue in repo.issues.values())
    counters = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")
    return {
        **minimal_repository(base, repo),
        **dict.fromkeys((*counters, "network_count", "subscribers_count"), 0),
        **dict.fromkeys(("has_projects", "has_downloads"), True),
        **dict.fromkeys(("has_wiki", "has_pages", "has_discussions", "disabled"), False),
        "has_issues": repo.has_issues,
        "archived": repo.archived,
        **dict.fromkeys(("homepage", "language", "mirror_url", "license")),
        "clone_url": str(repo.git.path),
        "git_url": str(repo.git.path),
        "ssh_url": str(repo.git.path),
        "svn_url": html,
        "default_branch": repo.default_branch,
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "visibility": "public",
        "pushed_at": when(repo.created_at),
        "created_at": when(repo.created_at),
        "updated_at": when(repo.created_at),
    }


def permission(base: str, account: Account, role: Role) -> dict[str, Any]:
    ladder: tuple[tuple[str, Role], ...] = (
        ("pull", "read"),
        ("triage", "triage"),
        ("push", "write"),
        ("maintain", "maintain"),
        ("admin", "admin"),
    )
    may = {name: ROLES.index(role) >= ROLES.index(needed) for name, needed in ladder}
    return {
        "permission": _LEGACY[role],
        "role_name": role,
        "user": {**user(base, account), "permissions": may, "role_name": role},
    }


def association(repo: Repository, account: Account) -> str:
    if account is repo.owner:
        return "OWNER"
    return "COLLABORATOR" if account.login in repo.roles else "NONE"
