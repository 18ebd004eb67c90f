"""What kernelwright's GitHub App is: permissions, events, and the manifest that asks for them.

Owns the one list of both: the manifest asks for them and `kernelwright doctor` checks them. Pure.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

# Why the App needs each is said to the person who creates it.
PERMISSIONS: Mapping[str, tuple[str, str]] = {
    "actions": ("write", "start generate.yml and fetch what it hands back"),
    "checks": ("write", "the check run with the verdict"),
    "contents": ("write", "the branch of a kernel and its commits"),
    "issues": ("write", "comments, labels and reactions on requests"),
    "metadata": ("read", "whether a sender may write to the repository"),
    "pull_requests": ("write", "the pull request of a kernel"),
}
EVENTS: tuple[str, ...] = ("issues", "issue_comment", "pull_request_review", "workflow_run")
NAME_MAX_CHARS = 34  # GitHub's own limit
DEFAULT_NAME = "kernelwright"
_LOGIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,38}")


class PlanFault(ValueError):
    """Something that was typed in cannot be used. `field` names it, the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The App that is asked for. `service_url` is where GitHub will reach the service."""

    name: str
    organization: str  # empty: the App belongs to the person who creates it
    service_url: str

    @property
    def hook_url(self) -> str:
        return f"{self.service_url}/webhook"


def make_plan(name: str, organization: str, service_url: str, github_url: str) -> Plan:
    """A checked plan. Raises PlanFault for the first thing that GitHub would not take."""
    name, organization = name.strip() or DEFAULT_NAME, organization.strip()
    if len(name) > NAME_MAX_CHARS:
        raise PlanFault("name", f"GitHub takes {NAME_MAX_CHARS} characters at most.")
    if organization and not _LOGIN.fullmatch(organization):
        raise PlanFault("organization", "Give the organisation's name as its address has it.")
    return Plan(
        name=name,
        organization=organization,
        service_url=_service_url(service_url.strip(), github_url),
    )


def _service_url(text: str, github_url: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise PlanFault("url", "Give an address such as https://kernels.example.com.")
    if parts.username is not None or parts.query or parts.fragment:
        raise PlanFault("url", "Give the address alone: no user, no ? and no #.")
    is_near = is_loopback(host)
    if is_near and not is_loopback(urlsplit(github_url).hostname or ""):
        raise PlanFault("url", "GitHub cannot reach an address of this machine alone.")
    if parts.scheme == "http" and not is_near:
        raise PlanFault("url", "Use https: the webhooks name people and hold their code.")
    return text.rstrip("/").removesuffix("/webhook")


def is_loopback(host: str) -> bool:
    """Whether `host` means the machine that says it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def manifest_json(plan: Plan, redirect_url: str) -> str:
    """The manifest, as the form's one field takes it."""
    document = {
        "name": plan.name,
        "url": plan.service_url,
        "description": "Writes GPU kernels for issues labelled kernel-request.",
        "hook_attributes": {"url": plan.hook_url, "active": True},
        "redirect_url": redirect_url,
        "public": False,
        "default_permissions": {name: level for name, (level, _) in PERMISSIONS.items()},
        "default_events": list(EVENTS),
    }
    return json.dumps(document)


def creation_url(plan: Plan, github_url: str, state: str) -> str:
    """Where a browser posts the manifest to."""
    owner = f"/organizations/{quote(plan.organization, safe='')}" if plan.organization else ""
    return f"{github_url}{owner}/settings/apps/new?{urlencode({'state': state})}"
