"""The end of GitHub's App manifest flow: a one-time code → the new App's id, key and secret.

Owns that one call, which needs no credentials. Never repeats it: the first try spends the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bot.errors import GitHubError
from bot.github_api.rest import Gaps, Rest


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApp:
    """A GitHub App as it is handed over. Its secrets stay out of `repr`."""

    app_id: int
    slug: str
    html_url: str
    owner: str
    private_key_pem: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def convert_manifest(api_url: str, code: str) -> NewApp:
    """Hand in `code`, within the hour and once. Raises NotFound for a code that is spent or old."""
    rest = Rest(None, api_url, Gaps(request_s=0, write_s=0))
    row = rest.call("POST", f"/app-manifests/{quote(code, safe='')}/conversions")
    try:
        return _new_app(row)
    except (KeyError, TypeError, ValueError) as error:
        # Not the row itself in the message: it holds the key.
        raise GitHubError(0, f"GitHub's answer lacks a part of the App: {error}") from error


def _new_app(row: dict[str, Any]) -> NewApp:
    pem, secret = row["pem"], row["webhook_secret"]
    if not pem or not secret:
        raise ValueError("the private key or the webhook secret is empty")
    return NewApp(
        app_id=int(row["id"]),
        slug=str(row["slug"]),
        html_url=str(row["html_url"]),
        owner=str(row["owner"]["login"]),
        private_key_pem=str(pem),
        webhook_secret=str(secret),
    )
