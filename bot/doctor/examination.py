"""The examination as a whole: what is looked at, in which order, and where it cannot go on.

Owns what follows from a call that GitHub refuses: a finding, and the next thing is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.doctor import app_checks, hook_checks, repository_checks
from bot.doctor.finding import Finding
from bot.errors import GitHubError, GitHubUnavailable, SettingsError
from bot.github_api.inspection import AppFacts, Inspector, InstallationFacts, RepositoryFacts
from bot.settings import Settings

# Each repository takes nine calls; whoever has more names those that are to be looked at.
REPOSITORIES_MAX = 20
_RETRY = "try again; GitHub's state is at https://www.githubstatus.com"
_REFUSED = "the App may not ask for this: compare its permissions with the findings above"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """`only`: full names of the repositories to look at; empty: all with the App installed."""

    settings: Settings
    inspector: Inspector
    only: Collection[str] = ()
    now: Callable[[], datetime] = _now

    def findings(self) -> Iterator[Finding]:
        """Every finding, as soon as it is known. Ends early where the App is not let in."""
        try:
            yield app_checks.clock(self.inspector.server_time(), self.now())
            self.inspector.login()
            app = self.inspector.facts()
        except SettingsError as error:
            yield Finding(
                subject=app_checks.SUBJECT,
                name="authentication",
                state="failed",
                detail=str(error).split(": ", 1)[0],
                remedy="set KERNELWRIGHT_APP_ID and the private key of one and the same App",
            )
            return
        yield Finding(
            subject=app_checks.SUBJECT,
            name="authentication",
            state="ok",
            detail=f"{app.slug} ({app.html_url})",
        )
        yield app_checks.permissions(app)
        yield app_checks.events(app)
        installations: list[InstallationFacts] = []
        yield from self._asked("installed", lambda: self._installed(app, installations))
        yield from self._asked("webhook", lambda: iter(self._hook(app)))
        yield from self._asked("repositories", lambda: self._repositories(app, installations))

    def _hook(self, app: AppFacts) -> list[Finding]:
        hook = self.inspector.hook()
        found = [hook_checks.configuration(hook, app.html_url)]
        found.append(hook_checks.deliveries(self.inspector.deliveries()))
        if hook.url:
            secret = self.settings.webhook_secret.get_secret_value()
            found.append(hook_checks.reachable(hook.url, secret))
        return found

    def _installed(self, app: AppFacts, found: list[InstallationFacts]) -> Iterator[Finding]:
        found += self.inspector.installations()
        yield from app_checks.installations(found, app)

    def _repositories(
        self, app: AppFacts, installations: Collection[InstallationFacts]
    ) -> Iterator[Finding]:
        everything = [
            (each, repository)
            for each in installations
            if not each.is_suspended
            for repository in self.inspector.repositories_of(each)
        ]
        wanted = {name.lower() for name in self.only}
        chosen = [pair for pair in everything if not wanted or pair[1].full_name.lower() in wanted]
        for name in sorted(wanted - {pair[1].full_name.lower() for pair in chosen}):
            yield _not_installed(name, app)
        for installation, repository in chosen[:REPOSITORIES_MAX]:
            yield from self._repository(installation, repository)
        left = len(chosen) - REPOSITORIES_MAX
        if left > 0:
            detail = f"{left} more were not looked at: name them with --repository"
            yield Finding(subject="app", name="repositories", state="note", detail=detail)

    def _repository(
        self, installation: InstallationFacts, repository: RepositoryFacts
    ) -> Iterator[Finding]:
        at = repository_checks.Examined(
            inspector=self.inspector, installation=installation, repository=repository
        )
        name = repository.full_name
        yield from self._asked("repository", lambda: repository_checks.examine(at), name)

    def _asked(
        self, name: str, ask: Callable[[], Iterator[Finding]], subject: str = app_checks.SUBJECT
    ) -> Iterator[Finding]:
        """The findings of `ask`, and one more where GitHub refuses to answer."""
        try:
            yield from ask()
        except GitHubUnavailable as error:
            yield Finding(
                subject=subject, name=name, state="failed", detail=str(error), remedy=_RETRY
            )
        except GitHubError as error:
            yield Finding(
                subject=subject, name=name, state="failed", detail=str(error), remedy=_REFUSED
            )


def _not_installed(full_name: str, app: AppFacts) -> Finding:
    return Finding(
        subject=full_name,
        name="installed",
        state="failed",
        detail="the App is not installed there",
        remedy=f"install it: {app.html_url}/installations/new",
    )
