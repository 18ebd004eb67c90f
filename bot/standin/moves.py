"""Repositories that are renamed and issues that are transferred: GitHub's redirects to them.

Owns what was where. What moved answers at its old address with a redirect to its id, as on GitHub:
301 to a read and 307 to a write, so that no client repeats a write as a read.
"""

from __future__ import annotations

import re
from typing import Any

from bot.standin.hub import Hub
from bot.standin.shapes import issues
from bot.standin.state import Account, Issue, Repository, State

_BY_ID = re.compile(r"^/repositories/(\d+)(?=/|$)")


def rename_repository(hub: Hub, repository: Repository, name: str) -> None:
    """Give the repository another name of the same owner; its old one leads to it from now on."""
    state = hub.state
    with state.lock:
        old = repository.full_name
        repository.name = name
        state.repositories[repository.full_name] = state.repositories.pop(old)
        state.renamed[old] = repository.id


def transfer_issue(
    hub: Hub, source: Repository, number: int, target: Repository, sender: Account
) -> Issue:
    """Move an issue with its comments to another repository, where it gets a new number."""
    with hub.state.lock:
        issue = source.issues.pop(number)
        shape: dict[str, Any] = issues.issue(hub.base, source, issue)
        issue.number = target.next_number()
        target.issues[issue.number] = issue
        source.transferred[number] = (target.id, issue.number)
        hub.emit("issues", "transferred", source, sender, issue=shape)
    return issue


def delete_issue(hub: Hub, repository: Repository, number: int, sender: Account) -> None:
    """Delete an issue: from now on GitHub says that it is gone."""
    with hub.state.lock:
        issue = repository.issues.pop(number)
        shape: dict[str, Any] = issues.issue(hub.base, repository, issue)
        repository.deleted.add(number)
        hub.emit("issues", "deleted", repository, sender, issue=shape)


def current_path(state: State, path: str) -> str:
    """A path by a repository's id as the path by its name; any other as it is."""
    match = _BY_ID.match(path)
    if match is None:
        return path
    for repository in state.repositories.values():
        if repository.id == int(match[1]):
            return f"/repos/{repository.full_name}{path[match.end() :]}"
    return path
