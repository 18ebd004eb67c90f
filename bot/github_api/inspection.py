"""What only an examination of the installation asks of GitHub: reads, never a write.

Owns the calls behind `kernelwright doctor` and the types of their answers. The service itself works
without any of them. Raises as the rest of this package does (`bot.errors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from bot.github_api.client import PyGithubApp
from bot.github_api.rest import Rest

DELIVERIES_SEEN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFacts:
    """How the App is registered. `permissions` maps a name to `read`, `write` or `admin`."""

    slug: str
    html_url: str
    permissions: Mapping[str, str]
    events: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationFacts:
    id: int
    account: str
    is_organization: bool
    html_url: str
    permissions: Mapping[str, str]
    events: frozenset[str]
    is_suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFacts:
    full_name: str
    html_url: str
    default_branch: str
    is_archived: bool
    has_issues: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """The App's webhook. `url` is empty where none is set."""

    url: str
    content_type: str
    is_signed: bool
    checks_certificates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """One delivery; `status_code` is 0 where no answer came, `status` is GitHub's word for it."""

    delivered_at: str
    event: str
    status: str
    status_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerFacts:
    name: str
    labels: frozenset[str]
    is_online: bool


class Inspector(PyGithubApp):
    """The App, looked at from outside."""

    def server_time(self) -> datetime | None:
        """GitHub's clock, to the second; asked without credentials, which a wrong clock spoils."""
        rest = Rest(None, self._settings.github_api_url, self._gaps)
        text = str(rest.headers("/meta").get("date") or "")
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def facts(self) -> AppFacts:
        row = self._app_rest().call("GET", "/app")
        return AppFacts(
            slug=row["slug"],
            html_url=row["html_url"],
            permissions=row.get("permissions") or {},
            events=frozenset(row.get("events") or ()),
        )

    def hook(self) -> HookFacts:
        row = self._app_rest().call("GET", "/app/hook/config")
        url = str(row.get("url") or "")
        return HookFacts(
            # PyGithub puts the request's own path into an answer that has no `url`.
            url=url if "://" in url else "",
            content_type=row.get("content_type") or "form",
            is_signed=bool(row.get("secret")),
            checks_certificates=str(row.get("insecure_ssl") or "0") == "0",
        )

    def deliveries(self) -> list[DeliveryFacts]:
        """The newest deliveries, newest first, at most `DELIVERIES_SEEN`."""
        query = {"per_page": DELIVERIES_SEEN}
        rows = self._app_rest().call("GET", "/app/hook/deliveries", query=query)
        return [
            DeliveryFacts(
                delivered_at=row["delivered_at"],
                event=row["event"],
                status=row["status"],
                status_code=int(row["status_code"] or 0),
            )
            for row in rows
        ]

    def installations(self) -> list[InstallationFacts]:
        return [_installation(row) for row in self._app_rest().pages("/app/installations")]

    def repositories_of(self, installation: InstallationFacts) -> list[RepositoryFacts]:
        rows = self._inside(installation).pages("/installation/repositories", "repositories")
        return [
            RepositoryFacts(
                full_name=row["full_name"],
                html_url=row["html_url"],
                default_branch=row["default_branch"],
                is_archived=bool(row.get("archived")),
                has_issues=bool(row.get("has_issues", True)),
            )
            for row in rows
        ]

    def has_label(self, installation: InstallationFacts, full_name: str, name: str) -> bool:
        # Case does not count: GitHub treats `Kernel-Request` as the same label.
        rows = self._inside(installation).pages(f"/repos/{full_name}/labels")
        return any(row["name"].lower() == name.lower() for row in rows)

    def workflow_state(self, installation: InstallationFacts, full_name: str, file: str) -> str:
        """`active`, or why GitHub does not start it. Raises NotFound before its first push."""
        path = f"/repos/{full_name}/actions/workflows/{quote(file, safe='')}"
        return str(self._inside(installation).call("GET", path)["state"])

    def repository_runners(
        self, installation: InstallationFacts, full_name: str
    ) -> list[RunnerFacts]:
        """The runners of the repository itself. GitHub refuses without `administration: read`."""
        rows = self._inside(installation).pages(f"/repos/{full_name}/actions/runners", "runners")
        return [_runner(row) for row in rows]

    def organization_runners(self, installation: InstallationFacts) -> list[RunnerFacts]:
        """GitHub refuses without `organization_self_hosted_runners: read`."""
        path = f"/orgs/{quote(installation.account, safe='')}/actions/runners"
        return [_runner(row) for row in self._inside(installation).pages(path, "runners")]

    def _inside(self, installation: InstallationFacts) -> Rest:
        return self._installation_rest(installation.id)


def _installation(row: dict[str, Any]) -> InstallationFacts:
    account = row.get("account") or {}
    return InstallationFacts(
        id=int(row["id"]),
        account=str(account.get("login") or account.get("slug") or ""),
        is_organization=row.get("target_type") == "Organization",
        html_url=row["html_url"],
        permissions=row.get("permissions") or {},
        events=frozenset(row.get("events") or ()),
        is_suspended=row.get("suspended_at") is not None,
    )


def _runner(row: dict[str, Any]) -> RunnerFacts:
    return RunnerFacts(
        name=row["name"],
        labels=frozenset(label["name"].lower() for label in row["labels"]),
        is_online=row["status"] == "online",
    )
