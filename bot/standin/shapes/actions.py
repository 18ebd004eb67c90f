"""Check runs, workflow runs and artifacts in GitHub's JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.standin.shapes.repositories import minimal_repository, node_id, repository_url, user, when
from bot.standin.state import Artifact, CheckRun, Repository, WorkflowRun

_ARTIFACT_LIFETIME = timedelta(days=14)


def check_run(base: str, repo: Repository, app: dict[str, Any], item: CheckRun) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/check-runs/{item.id}"
    html = f"{base}/{repo.full_name}/runs/{item.id}"
    return {
        "id": item.id,
        "name": item.name,
        "node_id": node_id("CheckRun", item.id),
        "head_sha": item.head_sha,
        "external_id": item.external_id or "",
        "url": url,
        "html_url": html,
        "details_url": item.details_url or html,
        "status": item.status,
        "conclusion": item.conclusion,
        "started_at": when(item.started_at),
        "completed_at": when(item.completed_at),
        "output": {
            "title": item.title,
            "summary": item.summary,
            "text": item.text,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": item.id},
        "app": app,
        "pull_requests": [],
    }


def workflow(base: str, repo: Repository, file_name: str, name: str) -> dict[str, Any]:
    path = f".github/workflows/{file_name}"
    html = f"{base}/{repo.full_name}"
    return {
        "id": repo.id + 1,
        "node_id": node_id("Workflow", repo.id + 1),
        "name": name,
        "path": path,
        "state": "active",
        "created_at": when(repo.created_at),
        "updated_at": when(repo.created_at),
        "url": f"{repository_url(base, repo)}/actions/workflows/{repo.id + 1}",
        "html_url": f"{html}/blob/{repo.default_branch}/{path}",
        "badge_url": f"{html}/workflows/{name}/badge.svg",
    }


def workflow_run(base: str, repo: Repository, run: WorkflowRun) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/actions/runs/{run.id}"
    head = repo.git.commit(run.head_sha)
    repository_shape = minimal_repository(base, repo)
    return {
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WorkflowRun", run.id),
        "head_branch": run.head_branch,
        "head_sha": run.head_sha,
        "path": f".github/workflows/{run.workflow_file}",
        "display_title": run.display_title,
        "run_number": run.number,
        "run_attempt": 1,
        "event": "workflow_dispatch",
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": repo.id + 1,
        "check_suite_id": run.id + 1,
        "check_suite_node_id": node_id("CheckSuite", run.id + 1),
        "url": url,
        "html_url": f"{base}/{repo.full_name}/actions/runs/{run.id}",
        "pull_requests": [],
        "created_at": when(run.created_at),
        "updated_at": when(run.updated_at),
        "run_started_at": when(run.created_at),
        "actor": user(base, run.actor),
        "triggering_actor": user(base, run.actor),
        **{
            f"{name}_url": f"{url}/{name}"
            for name in ("jobs", "logs", "artifacts", "cancel", "rerun")
        },
        "check_suite_url": f"{repository_url(base, repo)}/check-suites/{run.id + 1}",
        "workflow_url": f"{repository_url(base, repo)}/actions/workflows/{repo.id + 1}",
        "previous_attempt_url": None,
        "head_commit": {
            "id": head.sha,
            "tree_id": head.tree,
            "message": head.message,
            "timestamp": when(head.committed_at),
            "author": {"name": head.author.name, "email": head.author.email},
            "committer": {"name": head.committer.name, "email": head.committer.email},
        },
        "repository": repository_shape,
        "head_repository": repository_shape,
    }


def artifact(base: str, repo: Repository, run: WorkflowRun, item: Artifact) -> dict[str, Any]:
    url = f"{repository_url(base, repo)}/actions/artifacts/{item.id}"
    return {
        "id": item.id,
        "node_id": node_id("Artifact", item.id),
        "name": item.name,
        "size_in_bytes": item.size_bytes,
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": item.is_listed_expired,
        "created_at": when(item.created_at),
        "expires_at": when(item.created_at + _ARTIFACT_LIFETIME),
        "updated_at": when(item.created_at),
        "workflow_run": {
            "id": run.id,
            "repository_id": repo.id,
            "head_repository_id": repo.id,
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
        },
    }
