"""One pass through the manifest flow: the state that a browser must bring back, and the exchange.

Owns what may happen once only. Refuses a callback with another state than ours, a second callback
after the App is there, and two at a time. Knows no HTTP and no page.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import GitHubError, NotFound, SettingsError
from bot.github_api.conversion import NewApp
from bot.setup.settings_file import settings_text, write_settings


class FlowFault(Exception):
    """A callback that leads nowhere; the message says what to do. `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True, kw_only=True)
class Flow:
    """`convert(code)` hands the code in. `app` is there once everything is done."""

    out: Path
    force: bool
    api_url: str
    convert: Callable[[str], NewApp]
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    app: NewApp | None = None
    failure: str | None = None  # an App was made and could not be kept
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def finish(self, code: str, state: str) -> NewApp:
        """Exchange the code and write the file. Raises FlowFault."""
        if not hmac.compare_digest(state.encode(), self.state.encode()):
            raise FlowFault(
                403, "This answer does not belong to this run of setup: nothing was done."
            )
        if not code:
            raise FlowFault(400, "GitHub sent no code: create the App again.")
        with self._lock:
            if self.app is not None or self.failure is not None:
                raise FlowFault(409, "This run of setup is over: look at the terminal.")
            app = self._exchange(code)
            try:
                write_settings(self.out, settings_text(app, self.api_url), force=self.force)
            except SettingsError as error:
                self.failure = (
                    f"{error}. The App {app.slug} exists all the same: delete it at {app.html_url} "
                    "and run setup again"
                )
                raise FlowFault(500, self.failure) from error
            self.app = app
            return app

    def _exchange(self, code: str) -> NewApp:
        try:
            return self.convert(code)
        except NotFound as error:
            raise FlowFault(
                410,
                "GitHub no longer takes this code: it is good once and for an hour. Delete the App "
                "that was made with it, and create it again.",
            ) from error
        except GitHubError as error:
            raise FlowFault(
                502, f"The code could not be handed in; reload this page to try again. {error}"
            ) from error
