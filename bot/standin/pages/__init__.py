"""Plain pages on which a person can look at what the bot wrote.

Owns the routes below `/{owner}/{repo}`: the repository, issues, pull requests and runs; `new_app`
has the only form. Self-contained (no script, nothing from elsewhere), and never part of the API.
"""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from bot.standin.hub import Hub
from bot.standin.pages import conversation, lists, new_app
from bot.standin.state import Issue, Repository

# As GitHub serves committed files: an SVG keeps its style, and no script of it runs.
_RAW_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def add_routes(app: FastAPI, hub: Hub) -> None:
    """Serve the pages of everything in the hub."""
    new_app.add_routes(app, hub)

    def repository(owner: str, name: str) -> Repository:
        repo = hub.state.repositories.get(f"{owner}/{name}")
        if repo is None:
            raise HTTPException(404)
        return repo

    def conversation_of(owner: str, name: str, number: int) -> tuple[Repository, Issue]:
        repo = repository(owner, name)
        if number not in repo.issues:
            raise HTTPException(404)
        return repo, repo.issues[number]

    @app.get("/favicon.ico", status_code=204)
    def icon() -> None:
        """Browsers ask for it; there is none."""

    @app.get("/", response_class=HTMLResponse)
    def index() -> str:
        with hub.state.lock:
            return lists.index_page(hub.state)

    @app.get("/{owner}/{name}", response_class=HTMLResponse)
    def home(owner: str, name: str) -> str:
        with hub.state.lock:
            return lists.repository_page(repository(owner, name))

    @app.get("/{owner}/{name}/issues/{number}")
    def issue(owner: str, name: str, number: int) -> Response:
        with hub.state.lock:
            repo, item = conversation_of(owner, name, number)
            if item.pull:
                return RedirectResponse(f"/{repo.full_name}/pull/{number}")
            return HTMLResponse(conversation.issue_page(repo, item))

    @app.get("/{owner}/{name}/pull/{number}")
    def pull(owner: str, name: str, number: int) -> Response:
        with hub.state.lock:
            repo, item = conversation_of(owner, name, number)
            if item.pull is None:
                return RedirectResponse(f"/{repo.full_name}/issues/{number}")
            return HTMLResponse(conversation.pull_page(hub.state, repo, item, item.pull))

    @app.get("/{owner}/{name}/raw/{sha}/{path:path}")
    def raw(owner: str, name: str, sha: str, path: str) -> Response:
        with hub.state.lock:
            content = repository(owner, name).git.read_file(sha, path)
        if content is None:
            raise HTTPException(404)
        kind = "image/svg+xml" if path.endswith(".svg") else "text/plain; charset=utf-8"
        return Response(content, media_type=kind, headers=_RAW_HEADERS)

    @app.get("/{owner}/{name}/actions/runs/{run_id}", response_class=HTMLResponse)
    def run(owner: str, name: str, run_id: int) -> str:
        with hub.state.lock:
            repo = repository(owner, name)
            for each in repo.runs:
                if each.id == run_id:
                    return lists.run_page(repo, each)
        raise HTTPException(404)
