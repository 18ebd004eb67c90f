"""The local web server of `setup`: the form, the way to GitHub and the way back.

Owns the routes and the answers' headers. Answers to the name of this machine only, below a path
that only the terminal shows: others with an account here must not bring it an App of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from starlette.background import BackgroundTask
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bot.setup import page
from bot.setup.flow import Flow, FlowFault
from bot.setup.manifest import PlanFault, creation_url, make_plan, manifest_json
from bot.setup.next_steps import next_steps

CALLBACK = "created"
_NAMES = ("url", "name", "organization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the pages are about. `given`: the command line's words; `base_url`: ours, with path."""

    flow: Flow
    github_url: str
    base_url: str
    given: Mapping[str, str]
    on_end: Callable[[], None]


def create_site(site: Site) -> FastAPI:
    """The app. It calls `on_end` once the last answer has been sent."""
    app = FastAPI(title="kernelwright setup", docs_url=None, redoc_url=None, openapi_url=None)
    # A web page elsewhere must not reach us under a name of its own (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    async def start(request: Request) -> Response:
        return _html(_start(site, request.query_params))

    async def created(request: Request) -> Response:
        query = request.query_params
        code, state = query.get("code", ""), query.get("state", "")
        return await run_in_threadpool(_finish, site, code, state)

    def icon() -> Response:
        return Response(status_code=204)

    secret_path = urlsplit(site.base_url).path
    app.add_api_route(secret_path, start, methods=["GET"])
    app.add_api_route(secret_path + CALLBACK, created, methods=["GET"])
    app.add_api_route("/favicon.ico", icon, methods=["GET"])
    return app


def _start(site: Site, query: Mapping[str, str]) -> str:
    """The form; and the review where there is something to review."""
    given = {name: query.get(name, site.given.get(name, "")) for name in _NAMES}
    if not given["url"] and "url" not in query:
        return page.start_page(given, None, "")
    try:
        plan = make_plan(given["name"], given["organization"], given["url"], site.github_url)
    except PlanFault as fault:
        return page.start_page(given, fault, "")
    manifest = manifest_json(plan, site.base_url + CALLBACK)
    action = creation_url(plan, site.github_url, site.flow.state)
    return page.start_page(given, None, page.review(plan, manifest, action))


def _finish(site: Site, code: str, state: str) -> Response:
    flow = site.flow
    try:
        app = flow.finish(code, state)
    except FlowFault as fault:
        ends = BackgroundTask(site.on_end) if flow.failure is not None else None
        return _html(page.fault_page(str(fault)), fault.status, ends)
    html = page.done_page(app.slug, str(flow.out), next_steps(app, flow.out))
    return _html(html, 200, BackgroundTask(site.on_end))


def _html(text: str, status: int = 200, after: BackgroundTask | None = None) -> Response:
    headers = {
        "Content-Security-Policy": page.security_policy(),
        # The address of the last page holds the code: no other site is told more than our origin.
        "Referrer-Policy": "strict-origin",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(text, status_code=status, headers=headers, background=after)
