"""The two pages of the manifest flow: GitHub's 'Create GitHub App' form and its way back.

Owns what a browser meets between the button that posts a manifest and the redirect that carries the
code. Refuses a manifest that GitHub would refuse, with its reason on the page.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from bot.standin.hub import Hub
from bot.standin.pages import layout
from bot.standin.registration import ManifestFault, parse_manifest

_PERSON = "ada"  # who is signed in at this browser


def add_routes(app: FastAPI, hub: Hub) -> None:
    """Serve `…/settings/apps/new` for a person and for an organisation, and what follows."""

    async def show(request: Request, org: str = _PERSON) -> Response:
        form = parse_qs((await request.body()).decode())
        text = form.get("manifest", [""])[0]
        try:
            manifest = parse_manifest(text, org)
        except ManifestFault as fault:
            return HTMLResponse(_refusal(str(fault)), status_code=422)
        fields = {"manifest": text, "owner": org, "state": request.query_params.get("state", "")}
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">'
            for name, value in fields.items()
        )
        content = (
            f'<div class="title"><h1>Create GitHub App for {escape(org)}</h1></div>'
            f'<form method="post" action="/settings/apps/manifests">{hidden}'
            f'<p><label>GitHub App name <input name="name" value="{escape(manifest.name)}"></label>'
            f'</p><p><button id="create">Create GitHub App for {escape(org)}</button></p></form>'
        )
        return HTMLResponse(layout.document("Create GitHub App", None, content))

    async def create(request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        manifest = replace(parse_manifest(form["manifest"], form["owner"]), name=form["name"])
        with hub.state.lock:
            code = hub.registration.promise(manifest, hub.state.clock())
        query = {"code": code, **({"state": form["state"]} if "state" in form else {})}
        joint = "&" if urlsplit(manifest.redirect_url).query else "?"
        return RedirectResponse(f"{manifest.redirect_url}{joint}{urlencode(query)}", 302)

    app.add_api_route("/settings/apps/new", show, methods=["POST"])
    app.add_api_route("/organizations/{org}/settings/apps/new", show, methods=["POST"])
    app.add_api_route("/settings/apps/manifests", create, methods=["POST"])


def _refusal(reason: str) -> str:
    content = (
        '<div class="title"><h1>Invalid GitHub App configuration</h1></div>'
        f'<p id="fault">{escape(reason)}</p>'
    )
    return layout.document("Invalid GitHub App configuration", None, content)
