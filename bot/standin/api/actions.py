"""Routes of workflows, their runs and artifacts."""

from __future__ import annotations

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, ok
from bot.standin.shapes import actions
from bot.standin.shapes.repositories import repository_url
from bot.standin.state import Artifact, Repository, WorkflowRun
from bot.standin.workflow_file import (
    WorkflowFault,
    WorkflowFile,
    parse_workflow,
    resolve,
    workflow_name,
)

_INPUTS_MAX_CHARS = 65_535


def _workflow_text(call: Call, commit: str) -> tuple[str, str]:
    """The file name and the text of the workflow that the path means, at `commit`."""
    file_name = call.param("workflow_id")
    repo = call.repository
    if file_name == str(repo.id + 1):
        file_name = repo.runs[-1].workflow_file if repo.runs else "generate.yml"
    content = repo.git.read_file(commit, f".github/workflows/{file_name}")
    if content is None:
        raise ApiError(404, "Not Found")
    return file_name, content.decode()


def _default_head(repo: Repository) -> str:
    head = repo.git.ref(f"refs/heads/{repo.default_branch}")
    if head is None:
        raise ApiError(404, "Not Found")
    return head


def get_workflow(call: Call) -> Reply:
    file_name, text = _workflow_text(call, _default_head(call.repository))
    name = workflow_name(text, file_name)
    shape = actions.workflow(call.base, call.repository, file_name, name)
    if file_name in call.repository.disabled_workflows:
        shape["state"] = "disabled_manually"
    return ok(shape)


def dispatch(call: Call) -> Reply:
    repo = call.require("write")
    branch = str(call.field("ref")).removeprefix("refs/heads/")
    head = repo.git.ref(f"refs/heads/{branch}")
    if head is None:
        raise ApiError(422, f"No ref found for: {branch}")
    file_name, _ = _workflow_text(call, _default_head(repo))
    if file_name in repo.disabled_workflows:
        raise ApiError(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    _, text = _workflow_text(call, head)
    try:
        workflow = parse_workflow(text, file_name)
        inputs = _checked_inputs(workflow, call.field("inputs", {}))
        title = resolve(workflow.run_name, {"inputs": inputs, "vars": repo.variables})
    except WorkflowFault as error:
        raise ApiError(422, str(error)) from error
    now = call.hub.state.clock()
    run = WorkflowRun(
        id=call.hub.state.next_id(),
        number=len(repo.runs) + 1,
        workflow_file=file_name,
        name=workflow.name,
        display_title=title,
        head_branch=branch,
        head_sha=head,
        actor=call.sender,
        inputs=inputs,
        created_at=now,
        updated_at=now,
    )
    repo.runs.append(run)
    call.hub.start_run(repo, run, workflow)
    if not call.field("return_run_details", default=False):
        return Reply(status=204)
    url = f"{repository_url(call.base, repo)}/actions/runs/{run.id}"
    html = f"{call.base}/{repo.full_name}/actions/runs/{run.id}"
    return ok({"workflow_run_id": run.id, "run_url": url, "html_url": html})


def _checked_inputs(workflow: WorkflowFile, given: dict[str, object]) -> dict[str, str]:
    unexpected = [name for name in given if name not in workflow.inputs]
    if unexpected:
        raise ApiError(422, f"Unexpected inputs provided: {unexpected}")
    inputs = {name: str(value) for name, value in given.items()}
    if sum(map(len, inputs.values())) > _INPUTS_MAX_CHARS:
        raise ApiError(422, "inputs are too large.")
    for name, spec in workflow.inputs.items():
        if spec.required and not inputs.get(name):
            raise ApiError(422, f"Required input '{name}' not provided")
        inputs.setdefault(name, spec.default)
    return inputs


def list_runs(call: Call) -> Reply:
    repo = call.repository
    file_name, _ = _workflow_text(call, _default_head(repo))
    status, event = call.ask("status"), call.ask("event")
    found = [
        run
        for run in reversed(repo.runs)
        if run.workflow_file == file_name
        and status in ("", run.status, run.conclusion)
        and event in ("", "workflow_dispatch")
        and call.ask("branch") in ("", run.head_branch)
    ]
    return call.paged(
        found, lambda run: actions.workflow_run(call.base, repo, run), key="workflow_runs"
    )


def _run(call: Call) -> WorkflowRun:
    for run in call.repository.runs:
        if run.id == call.number("run_id"):
            return run
    raise ApiError(404, "Not Found")


def get_run(call: Call) -> Reply:
    return ok(actions.workflow_run(call.base, call.repository, _run(call)))


def cancel_run(call: Call) -> Reply:
    run = _run(call)
    call.require("write")
    if run.status == "completed":
        raise ApiError(409, "Cannot cancel a workflow run that is completed")
    call.hub.cancel_run(run.id)
    return Reply(status=202, data={})


def list_artifacts(call: Call) -> Reply:
    repo, run = call.repository, _run(call)
    name = call.ask("name")
    found = [artifact for artifact in run.artifacts if name in ("", artifact.name)]
    return call.paged(
        found, lambda each: actions.artifact(call.base, repo, run, each), key="artifacts"
    )


def download_artifact(call: Call) -> Reply:
    repo = call.require("read")
    artifact = _artifact(repo, call.number("artifact_id"))
    if artifact is None or call.param("archive_format") != "zip":
        raise ApiError(404, "Not Found")
    if artifact.is_gone:
        raise ApiError(410, "Artifact has expired")
    return Reply(
        status=302, headers={"Location": call.hub.blobs.link(artifact.data, artifact.zeros_bytes)}
    )


def _artifact(repo: Repository, artifact_id: int) -> Artifact | None:
    everything = (artifact for run in repo.runs for artifact in run.artifacts)
    return next((artifact for artifact in everything if artifact.id == artifact_id), None)


_WORKFLOW, _RUN = f"{REPO}/actions/workflows/{{workflow_id}}", f"{REPO}/actions/runs/{{run_id}}"
ROUTES: Routes = {
    ("GET", _WORKFLOW): get_workflow,
    ("POST", f"{_WORKFLOW}/dispatches"): dispatch,
    ("GET", f"{_WORKFLOW}/runs"): list_runs,
    ("GET", _RUN): get_run,
    ("POST", f"{_RUN}/cancel"): cancel_run,
    ("GET", f"{_RUN}/artifacts"): list_artifacts,
    ("GET", f"{REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}"): download_artifact,
}
