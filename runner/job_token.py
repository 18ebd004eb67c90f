"""The OIDC token by which a GitHub job proves that it is that job.

Owns the asking for it (GitHub's token request endpoint, for one audience) and its keeping until
shortly before it expires. The token is a secret: it is in no message and no repr.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import quote

from runner.settings import ProgressSettings
from runner.small_http import exchange

# Tokens live a few minutes. A new one is asked for while the old one is still good.
_MARGIN_S = 60.0
_LIFETIME_S = 120.0  # of a token that does not say


class JobToken:
    """Call it for a token that is good now. Raises OSError or ValueError where there is none."""

    def __init__(self, settings: ProgressSettings, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now_s = now_s
        self._token = ""
        self._good_until_s = 0.0

    def __call__(self) -> str:
        if not self._token or self._now_s() >= self._good_until_s:
            self._token = self._ask()
            self._good_until_s = self._expiry_s(self._token) - _MARGIN_S
        return self._token

    def forget(self) -> None:
        """The token was refused: ask for another one next time."""
        self._token = ""

    def _ask(self) -> str:
        url = self._settings.token_request_url
        joint = "&" if "?" in url else "?"
        audience = quote(self._settings.audience, safe="")
        answer = exchange(
            f"{url}{joint}audience={audience}", bearer=self._settings.token_request_token
        )
        if answer.status != 200:
            raise ValueError(f"GitHub gives no token for this job (status {answer.status})")
        value = json.loads(answer.body)["value"] if answer.body else None
        if not isinstance(value, str) or not value.isascii() or value.count(".") != 2:
            raise ValueError("GitHub's answer holds no token")
        return value

    def _expiry_s(self, token: str) -> float:
        """When the token says that it ends. Not verified: whoever is shown it does that."""
        payload = token.split(".")[1]
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return float(claims["exp"])
        except (ValueError, TypeError, KeyError):
            return self._now_s() + _LIFETIME_S + _MARGIN_S
