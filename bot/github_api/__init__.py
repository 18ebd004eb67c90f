"""GitHub as the bot sees it: one Protocol, its small types, and the PyGithub implementation.

`types` is what the rest of the bot is written against; only `client` imports PyGithub.
"""

from __future__ import annotations

from bot.github_api.types import (
    CheckRun,
    Comment,
    Commit,
    Conclusion,
    GitHub,
    GitHubApp,
    HookDelivery,
    Installed,
    Issue,
    Labelling,
    NewCheckRun,
    NewPull,
    Pull,
    PullCommit,
    ReviewComment,
    Run,
    Subject,
)

__all__ = [
    "CheckRun",
    "Comment",
    "Commit",
    "Conclusion",
    "GitHub",
    "GitHubApp",
    "HookDelivery",
    "Installed",
    "Issue",
    "Labelling",
    "NewCheckRun",
    "NewPull",
    "Pull",
    "PullCommit",
    "ReviewComment",
    "Run",
    "Subject",
]
