"""What a git repository is made of, as plain records, and the environment that git runs in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime


class GitFailed(Exception):
    """A git command failed: what was asked does not exist or is not allowed."""

    def __init__(self, command: str, message: str) -> None:
        super().__init__(f"git {command}: {message}")
        self.command = command
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who made a commit."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    mode: str
    kind: str  # blob or tree
    sha: str
    size_bytes: int | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    authored_at: datetime
    committer: Signature
    committed_at: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    path: str
    status: str  # A, M or D
    additions: int
    deletions: int
    patch: str  # hunks only, without the file header


def git_environment() -> dict[str, str]:
    """The same git on every machine: no personal or system configuration, no prompts."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C",
    }
