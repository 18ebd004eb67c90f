"""The pages of `setup`, as HTML. Pure: whatever comes from outside is escaped here.

No script, nothing from elsewhere, light and dark. The settings' values are never on a page.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from bot.setup.manifest import EVENTS, NAME_MAX_CHARS, PERMISSIONS, Plan, PlanFault
from bot.setup.next_steps import Step

_FIELDS = (
    ("url", "Address of the service", "Where GitHub will reach it, such as "),
    (
        "name",
        "Name of the App",
        f"Nobody else on GitHub has it; up to {NAME_MAX_CHARS} letters.",
    ),
    ("organization", "Organisation", "Who will own the App; empty for your own account."),
)
_EXAMPLE_URL = "https://kernels.example.com"


@functools.cache
def style_sheet() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


@functools.cache
def security_policy() -> str:
    """The value of Content-Security-Policy: this style sheet, and nothing else whatever.

    Where forms may go is left open: GitHub may send a browser on to an organisation's own sign-in.
    """
    digest = base64.b64encode(hashlib.sha256(style_sheet().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    )


def start_page(given: Mapping[str, str], fault: PlanFault | None, review: str) -> str:
    """The form with what was typed in so far, and `review` (HTML) below it."""
    labels = "".join(_field(*field, given, fault) for field in _FIELDS)
    weight = "" if review else ' class="first"'
    form = (
        f'<section><h2>The App</h2><form method="get" action="./">{labels}'
        f'<button id="check"{weight}>Check</button></form></section>'
    )
    intro = "GitHub makes the App and hands its key to this machine. Nothing is copied by hand."
    return _document("Create the GitHub App", intro, form + review)


def _field(
    name: str, label: str, hint: str, given: Mapping[str, str], fault: PlanFault | None
) -> str:
    wrong = fault is not None and fault.field == name
    said = f'<span class="bad" role="alert">{escape(str(fault))}</span>' if wrong else ""
    example = f"<code>{_EXAMPLE_URL}</code>" if name == "url" else ""
    return (
        f"<label>{label}<small>{hint}{example}</small>"
        f'<input name="{name}" value="{escape(given.get(name, ""))}" autocomplete="off"'
        f"{' aria-invalid=true' if wrong else ''}{' required' if name == 'url' else ''}>"
        f"{said}</label>"
    )


def review(plan: Plan, manifest: str, action: str) -> str:
    """What GitHub will be asked, and the button that asks."""
    rows = "".join(
        f"<tr><td>{name.replace('_', ' ').capitalize()}</td><td>{level}</td><td>{why}</td></tr>"
        for name, (level, why) in PERMISSIONS.items()
    )
    events = ", ".join(event.replace("_", " ") for event in EVENTS)
    owner = escape(plan.organization) or "your own account"
    return (
        f"<section><h2>What GitHub will be asked</h2><dl><dt>Owner</dt><dd>{owner}</dd>"
        f"<dt>Webhook</dt><dd>{escape(plan.hook_url)}</dd><dt>Events</dt><dd>{events}</dd></dl>"
        f"<table><thead><tr><th>Permission</th><th>Level</th><th>For</th></tr></thead>{rows}</table>"
        '<p class="note">GitHub shows all of this once more, and makes the App only when you '
        "confirm there.</p>"
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="manifest" value="{escape(manifest)}">'
        '<button id="create" class="first">Create it on GitHub</button></form></section>'
    )


def done_page(app_name: str, env_file: str, steps: Sequence[Step]) -> str:
    items = "".join(_step(step) for step in steps)
    body = f"<section><h2>What is left</h2><ol>{items}</ol></section>"
    intro = f"The settings are in <code>{escape(env_file)}</code>, which only you can read."
    return _document(f"The App {app_name} is ready", intro, body)


def _step(step: Step) -> str:
    link = (
        f'<br><a class="button first" id="install" href="{escape(step.link)}">Install it</a>'
        if step.link
        else ""
    )
    command = f"<code>{escape(step.command)}</code>" if step.command else ""
    return f"<li>{escape(step.text)}{link}{command}</li>"


def fault_page(message: str) -> str:
    body = (
        f'<section class="fault"><h2>This did not work</h2><p id="fault">{escape(message)}</p>'
        '<a class="button" href="./">Start again</a></section>'
    )
    return _document("Create the GitHub App", "", body)


def _document(title: str, intro: str, body: str) -> str:
    """`intro` and `body` are HTML; `title` is text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · kernelwright</title><style>{style_sheet()}</style></head><body>"
        f'<main><header><span class="mark">kernelwright setup</span><h1>{escape(title)}</h1>'
        f"<p>{intro}</p></header>{body}</main></body></html>\n"
    )
