"""`GitHubApp` over REST: the App's own routes, and a client for each repository.

Owns one credential and one pace of creation for each installation.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from github import Auth

from bot.errors import GitHubError, GitHubUnavailable, SettingsError
from bot.github_api import decode
from bot.github_api.pacing import CreationPace
from bot.github_api.repository import Repository
from bot.github_api.rest import Gaps, Observe, Rest, ignore
from bot.github_api.types import GitHub, HookDelivery, Installed
from bot.settings import Settings


@dataclass(slots=True, kw_only=True)
class _Installation:
    """What all clients of one installation share: its token, and how fast it creates."""

    auth: Auth.AppInstallationAuth
    pace: CreationPace


class PyGithubApp:
    """The App, authenticated by its key. Thread-safe: every client has its own session."""

    def __init__(self, settings: Settings, observe: Observe = ignore) -> None:
        """`observe` hears of every call. Raises SettingsError where the key is no private key."""
        self._settings = settings
        self._observe = observe
        self._auth = Auth.AppAuth(settings.app_id, settings.private_key_pem())
        self._installations: dict[int, _Installation] = {}
        self._lock = threading.Lock()
        self._gaps = Gaps(
            request_s=settings.seconds_between_requests, write_s=settings.seconds_between_writes
        )
        try:
            self._auth.create_jwt()
        except Exception as error:  # PyJWT and cryptography raise a dozen kinds
            raise SettingsError(
                "the private key cannot be read: set KERNELWRIGHT_PRIVATE_KEY or "
                "KERNELWRIGHT_PRIVATE_KEY_FILE to the PEM file that GitHub gave for the App"
            ) from error

    def login(self) -> str:
        """Raises SettingsError where GitHub does not accept the App's id and key."""
        try:
            app = self._app_rest().call("GET", "/app")
        except GitHubUnavailable:
            raise
        except GitHubError as error:
            raise SettingsError(
                f"GitHub does not accept the App's credentials ({error.status}): check that "
                f"KERNELWRIGHT_APP_ID ({self._settings.app_id}) and the private key belong together"
            ) from error
        return f"{app['slug']}[bot]"

    def repository(self, full_name: str, installation_id: int | None) -> GitHub:
        if installation_id is None:
            found = self._app_rest().call("GET", f"/repos/{full_name}/installation")
            installation_id = int(found["id"])
        return Repository(self._installation_rest(installation_id), full_name)

    def repositories(self) -> list[Installed]:
        found: list[Installed] = []
        for row in self._app_rest().pages("/app/installations"):
            if row.get("suspended_at"):
                continue
            rest = self._installation_rest(row["id"])
            found += [
                Installed(full_name=repository["full_name"], installation_id=row["id"])
                for repository in rest.pages("/installation/repositories", "repositories")
            ]
        return found

    def hook_deliveries(self, since_s: float) -> list[HookDelivery]:
        found: list[HookDelivery] = []
        for row in self._app_rest().cursor_pages("/app/hook/deliveries"):
            delivery = decode.hook_delivery(row)
            if delivery.at_s < since_s:
                return found
            found.append(delivery)
        return found

    def redeliver(self, delivery_id: int) -> None:
        self._app_rest().call("POST", f"/app/hook/deliveries/{delivery_id}/attempts")

    def _app_rest(self) -> Rest:
        return Rest(self._auth, self._settings.github_api_url, self._gaps, observe=self._observe)

    def _installation_rest(self, installation_id: int) -> Rest:
        installation = self._installation(installation_id)

        def renew(refused: Auth.Auth) -> Auth.Auth:
            with self._lock:
                # Another thread may have been here first: its token is as new as can be.
                if installation.auth is refused:
                    installation.auth = Auth.AppInstallationAuth(self._auth, installation_id)
                return installation.auth

        return Rest(
            installation.auth,
            self._settings.github_api_url,
            self._gaps,
            renew=renew,
            before_create=installation.pace.take,
            observe=self._observe,
        )

    def _installation(self, installation_id: int) -> _Installation:
        with self._lock:
            if installation_id not in self._installations:
                self._installations[installation_id] = _Installation(
                    # It keeps the installation's token until shortly before that expires.
                    auth=Auth.AppInstallationAuth(self._auth, installation_id),
                    pace=CreationPace(
                        per_minute=self._settings.creations_per_minute,
                        per_hour=self._settings.creations_per_hour,
                    ),
                )
            return self._installations[installation_id]
