"""Every exception of the bot.

    BotError
    ├── SettingsError        the operator must change something; one line that says what
    ├── UserError            ends a request; its text is Markdown that is safe to post to an issue
    ├── BadSignature         a delivery that GitHub did not sign with our secret
    ├── BadToken             a job that cannot prove who it is
    ├── KeysUnavailable      the OIDC issuer's keys cannot be had, so nobody can tell
    └── GitHubError          GitHub refused a call; carries the HTTP status
        ├── NotFound             404: it does not exist, or the App may not see it
        └── GitHubUnavailable    down, unreachable or limiting the rate: try the same again later

Wire data that breaks the contract raises `runner.errors.ContractError` and its children.
"""

from __future__ import annotations

from typing import Literal, get_args

# How a request ended, as its last record and its comments say it.
End = Literal["published", "refused", "invalid", "unsolved", "cancelled", "superseded", "failed"]
ENDS: tuple[End, ...] = get_args(End)


class BotError(Exception):
    """Root of the bot's own exceptions."""


class SettingsError(BotError):
    """The service cannot start as configured. The message is one line that says what to do."""


class UserError(BotError):
    """Ends a request for a reason that its author can act on.

    `text` is Markdown, already escaped, and may be posted as it is. `end` is the kind of end.
    `once` is the key under which a thread has one comment for it, kept current; empty: one each.
    """

    def __init__(self, text: str, end: End = "failed", once: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.end: End = end
        self.once = once


class BadSignature(BotError):
    """The delivery is not signed with our webhook secret."""


class BadToken(BotError):
    """The token is missing, forged, expired or meant for somebody else."""


class KeysUnavailable(BotError):
    """The issuer of the tokens cannot be reached, and its last keys are too old to count."""


class GitHubError(BotError):
    """GitHub answered a call with an error. `status` is 0 where there was no answer at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"GitHub answered {status}: {message}" if status else message)
        self.status = status
        self.message = message


class NotFound(GitHubError):
    """The thing does not exist, or the App may not see it."""


class GitHubUnavailable(GitHubError):
    """The same call may succeed later. `retry_after_s` is GitHub's own wish, where it gave one."""

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(status, message)
        self.retry_after_s = retry_after_s
