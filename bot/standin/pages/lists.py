"""The pages that list things: repositories, a repository's issues, and a run's log."""

from __future__ import annotations

from html import escape

from bot.standin.pages import layout
from bot.standin.state import Issue, Repository, State, WorkflowRun

_LOG_MAX_BYTES = 512_000


def index_page(state: State) -> str:
    items = "".join(
        f'<li><a href="/{escape(name)}">{escape(name)}</a></li>' for name in state.repositories
    )
    content = f'<div class="title"><h1>Repositories</h1></div><ul class="list">{items}</ul>'
    return layout.document("stand-in GitHub", None, content)


def repository_page(repository: Repository) -> str:
    rows = "".join(_row(repository, issue) for issue in reversed(repository.issues.values()))
    runs = "".join(_run_row(repository, run) for run in reversed(repository.runs))
    where = escape(str(repository.git.path))
    content = (
        f'<div class="title"><h1>{escape(repository.full_name)}</h1>'
        f'<p class="subject"><code>git clone {where}</code></p></div>'
        f'<h2>Issues and pull requests</h2><ul class="list">{rows}</ul>'
        f'<h2>Workflow runs</h2><ul class="list">{runs}</ul>'
    )
    return layout.document(repository.full_name, repository, content)


def _row(repository: Repository, issue: Issue) -> str:
    path = "pull" if issue.pull else "issues"
    return (
        f'<li>{layout.pill(issue)}<a href="/{escape(repository.full_name)}/{path}/{issue.number}">'
        f"{escape(issue.title)}</a> <span>#{issue.number}</span> {layout.labels(issue.labels)}</li>"
    )


def _run_row(repository: Repository, run: WorkflowRun) -> str:
    url = f"/{escape(repository.full_name)}/actions/runs/{run.id}"
    state = escape(run.conclusion or run.status)
    return (
        f'<li><span class="kind">{state}</span><a href="{url}">{escape(run.display_title)}</a></li>'
    )


def run_page(repository: Repository, run: WorkflowRun) -> str:
    log = ""
    if run.log_file is not None and run.log_file.is_file():
        log = run.log_file.read_bytes()[-_LOG_MAX_BYTES:].decode(errors="replace")
    artifacts = ", ".join(f"{a.name} ({len(a.data):,} bytes)" for a in run.artifacts) or "none"
    content = (
        f'<div class="title"><h1>{escape(run.display_title)}</h1><p class="subject">'
        f"{escape(run.conclusion or run.status)} · {escape(run.name)} · run {run.number} · "
        f"artifacts: {escape(artifacts)}</p></div>"
        f'<pre class="log">{escape(log) or "No output."}</pre>'
    )
    return layout.document(run.display_title, repository, content)
