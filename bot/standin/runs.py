"""Workflow runs: one at a time, in order, as a single self-hosted runner would.

Owns the life of a run (queued, in progress, completed), its events and its artifact. What a run
executes is the script of the workflow's own step, or whatever the test gave instead (`job`).
"""

from __future__ import annotations

import io
import queue
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bot.standin.hub import Hub
from bot.standin.job import Job, RunnerCommand, job_env, run_job
from bot.standin.state import Artifact, Repository, WorkflowRun
from bot.standin.workflow_file import Contexts, WorkflowFault, WorkflowFile, resolve

_JOIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    repo: Repository
    run: WorkflowRun
    workflow: WorkflowFile


class Runs:
    """The queue of runs. `folder` holds one folder a run, kept for its log."""

    def __init__(self, folder: Path, command: RunnerCommand, run_timeout_s: float | None) -> None:
        self.command = command
        self._folder = folder
        self._run_timeout_s = run_timeout_s
        self._queue: queue.Queue[_Task | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._stopping = threading.Event()
        self._cancelled: dict[int, threading.Event] = {}
        self._hub: Hub | None = None

    def start(self, hub: Hub) -> None:
        self._hub = hub
        self._thread.start()

    def stop(self) -> None:
        """End the run in progress, forget the queued ones."""
        self._stopping.set()
        for event in self._cancelled.values():
            event.set()
        self._queue.put(None)
        self._thread.join(timeout=_JOIN_S)

    def enqueue(self, repo: Repository, run: WorkflowRun, workflow: WorkflowFile) -> None:
        self._cancelled[run.id] = threading.Event()
        self._queue.put(_Task(repo=repo, run=run, workflow=workflow))

    def cancel(self, run_id: int) -> None:
        """Cancel a run, queued or in progress, as a person would on its page."""
        self._cancelled[run_id].set()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None and not self._stopping.is_set():
            self._execute(task)

    def _execute(self, task: _Task) -> None:
        hub = self._hub
        assert hub is not None  # noqa: S101  # start() precedes the thread
        run = task.run
        self._move(hub, task, "requested")
        fault = hub.faults.take("conclude")
        if self._cancelled[run.id].is_set():
            self._finish(hub, task, "cancelled")
            return
        self._move(hub, task, "in_progress")
        if fault:
            self._finish(hub, task, fault.value)
            return
        folder = self._folder / str(run.id)
        try:
            contexts = _contexts(task, folder)
            job = self._job(hub, task, folder, contexts)
            try:
                conclusion = run_job(job, self.command)
            finally:
                hub.issuer.dismiss(job.env)
            if conclusion == "success":
                conclusion = _store_artifact(hub, task, contexts)
            elif conclusion == "cancelled" and task.workflow.uploads_always:
                _store_artifact(hub, task, contexts)
        except WorkflowFault as error:
            run.log_file = folder / "log.txt"
            run.log_file.parent.mkdir(parents=True, exist_ok=True)
            run.log_file.write_text(f"{error}\n", encoding="utf-8")
            conclusion = "failure"
        self._finish(hub, task, conclusion)

    def _job(self, hub: Hub, task: _Task, folder: Path, contexts: Contexts) -> Job:
        run, repo, workflow = task.run, task.repo, task.workflow
        temp, workspace = folder / "temp", folder / "workspace"
        for each in (temp, workspace):
            each.mkdir(parents=True)
        if workflow.checkout_path is not None:
            commit = resolve(workflow.checkout_ref, contexts) or run.head_sha
            if not repo.git.has(commit, "commit"):
                raise WorkflowFault(f"there is no commit {commit} to check out")
            repo.git.export(commit, workspace / workflow.checkout_path)
        run.log_file = folder / "log.txt"
        identity = hub.issuer.admit(repo, run) if workflow.id_token else {}
        own = {name: resolve(value, contexts) for name, value in workflow.env.items()}
        return Job(
            run_id=run.id,
            inputs=run.inputs,
            script=workflow.script,
            pipefail=workflow.pipefail,
            env={**job_env(repo.full_name, run.id, run.head_sha, folder), **identity, **own},
            temp=temp,
            workspace=workspace,
            log_file=run.log_file,
            timeout_s=min(workflow.timeout_s, self._run_timeout_s or workflow.timeout_s),
            cancelled=self._cancelled[run.id],
        )

    def _move(self, hub: Hub, task: _Task, action: str) -> None:
        with hub.state.lock:
            task.run.status = "in_progress" if action == "in_progress" else "queued"
            task.run.updated_at = hub.state.clock()
            hub.run_event(action, task.repo, task.run)

    def _finish(self, hub: Hub, task: _Task, conclusion: str) -> None:
        with hub.state.lock:
            task.run.status, task.run.conclusion = "completed", conclusion
            task.run.updated_at = hub.state.clock()
            hub.run_event("completed", task.repo, task.run)


def _contexts(task: _Task, folder: Path) -> Contexts:
    run, repo = task.run, task.repo
    return {
        "inputs": run.inputs,
        "vars": repo.variables,
        "secrets": repo.secrets,
        "runner": {"temp": str(folder / "temp"), "os": "Linux", "name": "standin"},
        "github": {
            "repository": repo.full_name,
            "run_id": str(run.id),
            "sha": run.head_sha,
            "ref": f"refs/heads/{run.head_branch}",
            "actor": run.actor.login,
            "workspace": str(folder / "workspace"),
            **{f"event.inputs.{name}": value for name, value in run.inputs.items()},
        },
    }


def _store_artifact(hub: Hub, task: _Task, contexts: Contexts) -> str:
    """Zip the folder that the upload step names; the conclusion of the run with that done."""
    if hub.faults.take("lose_artifact"):
        return "success"
    folder = Path(resolve(task.workflow.artifact_path, contexts))
    if not folder.is_dir() or not any(folder.iterdir()):
        return "failure"  # if-no-files-found: error
    data = zip_folder(folder)
    alter = hub.faults.take("alter_artifact")
    if alter:
        data = alter.value(data)
    growth = hub.faults.take("grow_artifact")
    zeros_bytes, claimed_bytes = growth.value if growth else (0, None)
    expiry = hub.faults.take("expire_artifact")
    name = resolve(task.workflow.artifact_name, contexts)
    with hub.state.lock:
        artifact = Artifact(
            id=hub.state.next_id(),
            name=name,
            data=data,
            created_at=hub.state.clock(),
            zeros_bytes=zeros_bytes,
            claimed_bytes=claimed_bytes,
            is_gone=expiry is not None,
            is_listed_expired=bool(expiry and expiry.value),
        )
        task.run.artifacts.append(artifact)
    return "success"


def zip_folder(folder: Path) -> bytes:
    """The folder's files as the artifact service packs them: names relative to the folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()
