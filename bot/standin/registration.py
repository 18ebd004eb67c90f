"""What the App is registered with, and the Apps that a manifest asks for.

Owns the permissions, the events and the webhook's settings that `GET /app` and its like show, and
the one-time codes of the manifest flow. Refuses a manifest that GitHub's form would refuse.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

CODE_LIFETIME = timedelta(hours=1)
NAME_MAX_CHARS = 34
EVENTS = (
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "workflow_run",
)
PERMISSIONS = {
    "actions": "write",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
}
_LEVELS = ("read", "write", "admin")
# An event may be asked for only with a permission that shows what it is about.
_EVENT_NEEDS = {
    "issues": "issues",
    "issue_comment": "issues",
    "pull_request": "pull_requests",
    "pull_request_review": "pull_requests",
    "pull_request_review_comment": "pull_requests",
    "workflow_run": "actions",
}


class ManifestFault(Exception):
    """A manifest that GitHub would refuse; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts of an App manifest that matter here."""

    name: str
    hook_url: str
    redirect_url: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    owner: str


@dataclass(slots=True, kw_only=True)
class Registration:
    """How the App stands on GitHub. A test changes a field to play a fault of the set-up."""

    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
    events: list[str] = field(default_factory=lambda: list(EVENTS))
    # What the installation's owner has agreed to; None: everything that the App asks for.
    granted: dict[str, str] | None = None
    is_suspended: bool = False
    hook_content_type: str = "json"
    hook_is_signed: bool = True
    hook_insecure_ssl: str = "0"
    _codes: dict[str, tuple[Manifest, datetime]] = field(default_factory=dict)

    def promise(self, manifest: Manifest, now: datetime) -> str:
        """The code for which the App will be handed over, once and within the hour."""
        code = secrets.token_hex(20)
        self._codes[code] = (manifest, now + CODE_LIFETIME)
        return code

    def redeem(self, code: str, now: datetime) -> Manifest | None:
        """The manifest behind a code; the code is spent. None where it is unknown or too old."""
        manifest, ends_at = self._codes.pop(code, (None, now))
        return manifest if now < ends_at else None


def parse_manifest(text: str, owner: str) -> Manifest:
    """Read the form's field `manifest`. Raises ManifestFault."""
    try:
        given = json.loads(text)
        manifest = Manifest(
            name=given["name"],
            hook_url=given["hook_attributes"]["url"],
            redirect_url=given["redirect_url"],
            permissions=dict(given["default_permissions"]),
            events=tuple(given["default_events"]),
            owner=owner,
        )
        _web_address(given["url"])
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestFault(f"the manifest is not complete: {error!r}") from error
    if not 0 < len(manifest.name) <= NAME_MAX_CHARS:
        raise ManifestFault(f"Name is too long (maximum is {NAME_MAX_CHARS} characters)")
    for url in (manifest.hook_url, manifest.redirect_url):
        _web_address(url)
    _check_access(manifest)
    return manifest


def _check_access(manifest: Manifest) -> None:
    if any(level not in _LEVELS for level in manifest.permissions.values()):
        raise ManifestFault("Default permission levels are read, write and admin")
    for event in manifest.events:
        if _EVENT_NEEDS.get(event) not in manifest.permissions:
            raise ManifestFault(f"Default events are not supported by permissions: {event}")


def _web_address(url: Any) -> None:
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ManifestFault(f"{url!r} is not a web address")


def slug_of(name: str) -> str:
    """The App's name as it stands in addresses."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
