"""The App itself: its key, its permissions and events, the clock, where it is installed.

Owns the comparison with what `bot.setup.manifest` asks for. Pure: the facts are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from bot.doctor.finding import Finding, State
from bot.github_api.inspection import AppFacts, InstallationFacts
from bot.setup.manifest import EVENTS, PERMISSIONS

SUBJECT = "app"
# The App's tokens are dated a minute back and end after five: beyond that GitHub refuses them.
SKEW_MAX_S = 60.0
SKEW_NOTED_S = 10.0
_LEVELS = ("none", "read", "write", "admin")


def clock(github_now: datetime | None, now: datetime) -> Finding:
    if github_now is None:
        return Finding(
            subject=SUBJECT,
            name="clock",
            state="unseen",
            detail="GitHub's answer did not say the time",
            remedy="ask the proxy on the way to GitHub to leave the Date header in place",
        )
    ahead_s = (now - github_now).total_seconds()
    detail = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} GitHub's"
    if abs(ahead_s) > SKEW_MAX_S:
        remedy = "set the clock by NTP (timedatectl set-ntp true): GitHub refuses the App's tokens"
        return Finding(subject=SUBJECT, name="clock", state="failed", detail=detail, remedy=remedy)
    state: State = "note" if abs(ahead_s) > SKEW_NOTED_S else "ok"
    return Finding(subject=SUBJECT, name="clock", state=state, detail=detail)


def permissions(app: AppFacts) -> Finding:
    missing = missing_permissions(app.permissions)
    if not missing:
        detail = f"all {len(PERMISSIONS)} that are needed"
        return Finding(subject=SUBJECT, name="permissions", state="ok", detail=detail)
    return Finding(
        subject=SUBJECT,
        name="permissions",
        state="failed",
        detail=f"missing: {', '.join(missing)}",
        remedy=f"add them at {app.html_url} (App settings, Permissions & events), then accept them "
        "where the App is installed",
    )


def events(app: AppFacts) -> Finding:
    missing = _missing_events(app.events)
    if not missing:
        return Finding(subject=SUBJECT, name="events", state="ok", detail=", ".join(EVENTS))
    return Finding(
        subject=SUBJECT,
        name="events",
        state="failed",
        detail=f"not subscribed to: {', '.join(missing)}",
        remedy=f"subscribe to them at {app.html_url} (App settings, Permissions & events)",
    )


def installations(found: Collection[InstallationFacts], app: AppFacts) -> Iterator[Finding]:
    """One finding for each installation, or one that there is none."""
    if not found:
        yield Finding(
            subject=SUBJECT,
            name="installed",
            state="failed",
            detail="on no account",
            remedy=f"install it: {app.html_url}/installations/new",
        )
    for each in found:
        yield _installation(each, app)


def _installation(each: InstallationFacts, app: AppFacts) -> Finding:
    # What the App does not even ask for is its own finding, and nobody there could accept it.
    unasked = {*missing_permissions(app.permissions), *_missing_events(app.events)}
    lacking = [*missing_permissions(each.permissions), *_missing_events(each.events)]
    refused = [name for name in lacking if name not in unasked]
    name = f"installed on {each.account}"
    if each.is_suspended:
        return Finding(
            subject=SUBJECT,
            name=name,
            state="failed",
            detail="suspended: GitHub sends no webhooks and takes no calls",
            remedy=f"unsuspend it: {each.html_url}",
        )
    if refused:
        return Finding(
            subject=SUBJECT,
            name=name,
            state="failed",
            detail=f"not accepted there: {', '.join(refused)}",
            remedy=f"let the owner accept what the App asks for: {each.html_url}",
        )
    return Finding(subject=SUBJECT, name=name, state="ok", detail="everything accepted")


def missing_permissions(granted: Mapping[str, str]) -> list[str]:
    """`name: level` of every permission that is lacking or too low."""
    return [
        f"{name}: {level}"
        for name, (level, _) in PERMISSIONS.items()
        if _rank(granted.get(name, "none")) < _rank(level)
    ]


def _missing_events(subscribed: Collection[str]) -> list[str]:
    return [event for event in EVENTS if event not in subscribed]


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
