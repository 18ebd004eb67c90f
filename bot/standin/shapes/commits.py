"""References and commits in GitHub's JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.standin.git_types import Commit, Signature
from bot.standin.shapes.repositories import node_id, repository_url, user, when
from bot.standin.state import Repository, State


def _person(signature: Signature, at: datetime) -> dict[str, Any]:
    return {"name": signature.name, "email": signature.email, "date": when(at)}


def git_ref(base: str, repo: Repository, name: str, sha: str) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/git"
    return {
        "ref": name,
        "node_id": node_id("Ref", repo.id),
        "url": f"{url}/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"},
    }


def git_commit(base: str, repo: Repository, commit: Commit) -> dict[str, Any]:
    """A commit as the git data API gives it."""
    url = f"{repository_url(base, repo)}/git"
    html = f"{base}/{repo.full_name}/commit"
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", repo.id),
        "url": f"{url}/commits/{commit.sha}",
        "html_url": f"{html}/{commit.sha}",
        "author": _person(commit.author, commit.authored_at),
        "committer": _person(commit.committer, commit.committed_at),
        "tree": {"sha": commit.tree, "url": f"{url}/trees/{commit.tree}"},
        "message": commit.message,
        "parents": [
            {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{html}/{sha}"}
            for sha in commit.parents
        ],
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def commit(base: str, state: State, repo: Repository, item: Commit) -> dict[str, Any]:
    """A commit as lists of commits give it: with the accounts of its e-mail addresses."""
    url = f"{repository_url(base, repo)}/commits/{item.sha}"
    low = git_commit(base, repo, item)
    kept = ("author", "committer", "message", "tree", "verification")

    def account(signature: Signature) -> dict[str, Any] | None:
        for known in state.accounts.values():
            if known.signature.email == signature.email:
                return user(base, known)
        return None

    return {
        "sha": item.sha,
        "node_id": low["node_id"],
        "url": url,
        "html_url": low["html_url"],
        "comments_url": f"{url}/comments",
        "commit": {**{key: low[key] for key in kept}, "url": low["url"], "comment_count": 0},
        "author": account(item.author),
        "committer": account(item.committer),
        "parents": low["parents"],
    }
