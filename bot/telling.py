"""What a request shows of itself on GitHub: the progress comment, the outcome, the state's label.

Owns 'telling is not the work': an issue that was deleted, transferred or locked meanwhile takes no
comment, which is logged and ends nothing. The kernel still goes where it can go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot import labels, threads
from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.messages import comments as say
from bot.records import Job
from bot.steps import Steps
from bot.tools import Tools

log = logging.getLogger(__name__)
# Locked or not ours to write; gone or moved away; deleted.
_CLOSED_TO_US = frozenset({403, 404, 410})


class Act(Protocol):
    """Something done on GitHub."""

    def __call__(self, github: GitHub, /) -> Any: ...


@dataclass(slots=True, kw_only=True)
class Telling:
    """The words of one request, each of them a step. Remembers which comment shows its progress."""

    steps: Steps
    tools: Tools
    job: Job
    _progress_id: int | None = field(default=None, init=False)

    def acknowledge(self) -> None:
        self._try("react", lambda github: threads.acknowledge(github, self.job))

    def show(self, body: str, step: str) -> None:
        """Make the one progress comment say `body`; found by its marker, made where it is new."""
        number, login = self.job.thread_number, self.tools.login

        def act(github: GitHub) -> None:
            known = self._progress_id
            self._progress_id = threads.keep_comment(github, number, body, login, known)

        self._try(step, act)

    def say_outcome(self, number: int, text: str) -> None:
        """The comment of its own that ends a request, and that notifies."""
        body = say.outcome(self.job, text)
        self._try(
            "say_outcome",
            lambda github: threads.ensure_comment(github, number, body, self.tools.login),
        )

    def label(self, shown: labels.Shown | None) -> None:
        self._try("label_state", lambda github: labels.show(github, self.job.issue_number, shown))

    def _try(self, step: str, act: Act) -> None:
        def tolerant() -> None:
            job = self.job
            try:
                act(self.tools.github(job.repository, job.installation_id))
            except GitHubUnavailable:
                raise
            except GitHubError as error:
                if error.status not in _CLOSED_TO_US:
                    raise
                log.warning("request %s: %s cannot be shown: %s", job.request_id, step, error)

        self.steps.do(step, tolerant)
