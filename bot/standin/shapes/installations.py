"""Installations, runners and webhook deliveries in GitHub's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.standin.hub import Hub
from bot.standin.shapes import repositories
from bot.standin.state import Account, Runner
from bot.standin.webhooks import Delivery


def installation(hub: Hub, owner: Account, created_at: datetime) -> dict[str, Any]:
    """The App's installation in the account of `owner`."""
    number, registration = hub.authority.installation_id, hub.registration
    url = f"{hub.base}/app/installations/{number}"
    born = repositories.when(created_at)
    permissions = registration.permissions if registration.granted is None else registration.granted
    return {
        "id": number,
        "account": repositories.user(hub.base, owner),
        "repository_selection": "all",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{hub.base}/installation/repositories",
        "html_url": f"{hub.base}/settings/installations/{number}",
        "app_id": hub.authority.app_id,
        "app_slug": hub.state.bot.login.removesuffix("[bot]"),
        "target_id": owner.id,
        "target_type": "Organization" if owner.kind == "Organization" else "User",
        "permissions": permissions,
        "events": registration.events,
        "single_file_name": None,
        "created_at": born,
        "updated_at": born,
        "suspended_at": born if registration.is_suspended else None,
        "suspended_by": repositories.user(hub.base, owner) if registration.is_suspended else None,
    }


def runner(each: Runner) -> dict[str, Any]:
    labels = [{"id": n, "name": name, "type": "custom"} for n, name in enumerate(each.labels, 1)]
    return {
        "id": each.id,
        "name": each.name,
        "os": "linux",
        "status": "online" if each.online else "offline",
        "busy": False,
        "labels": labels,
    }


def delivery(each: Delivery) -> dict[str, Any]:
    """One line of the App's list of deliveries. `status_code` 0: no answer came."""
    return {
        "id": each.number,
        "guid": each.id,
        "delivered_at": repositories.when(datetime.fromtimestamp(each.created_s, UTC)),
        "redelivery": each.tries > 1,
        "duration": 0.1,
        "status": "OK" if each.status and each.status < 300 else "failed to deliver",
        "status_code": each.status or 0,
        "event": each.event,
        "action": each.action or None,
        "installation_id": None,
        "repository_id": None,
        "throttled_at": None,
    }
