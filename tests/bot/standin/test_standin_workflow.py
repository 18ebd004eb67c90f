"""Workflow runs: the script of the workflow's own step, its artifact, and what can go wrong."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import github
import httpx
import pytest
from github.Repository import Repository as Remote
from github.WorkflowRun import WorkflowRun

from bot.standin import Job, Repository, StandIn
from bot.standin.workflow_file import WorkflowFault, parse_workflow, resolve

CHECKOUT = Path(__file__).parents[3]
Eventually = Callable[[Callable[[], bool]], None]
Dispatch = Callable[..., WorkflowRun]


@pytest.fixture
def remote(app: github.Github) -> Remote:
    return app.get_repo("octo/kernels")


@pytest.fixture
def dispatch(remote: Remote) -> Dispatch:
    def start(request: str = "{}", request_id: str = "kw-1") -> WorkflowRun:
        inputs = {"request": request, "request_id": request_id}
        workflow = remote.get_workflow("generate.yml")
        return workflow.create_dispatch("main", inputs, throw=True, return_run_details=True)

    return start


@pytest.fixture
def ended(remote: Remote, eventually: Eventually) -> Callable[[int], WorkflowRun]:
    def wait(run_id: int) -> WorkflowRun:
        eventually(lambda: remote.get_workflow_run(run_id).status == "completed")
        return remote.get_workflow_run(run_id)

    return wait


def names(standin: StandIn) -> list[str]:
    return [d.name for d in standin.deliveries if d.event == "workflow_run"]


def test_a_run_executes_the_steps_own_script_and_hands_back_its_folder(
    standin: StandIn, repository: Repository, dispatch: Dispatch, ended
) -> None:
    request = '{"text": "quotes \' and $HOME and ümläuts"}'
    run = ended(dispatch(request).id)
    assert (run.conclusion, run.display_title) == ("success", "kernelwright kw-1")
    assert names(standin) == [
        f"workflow_run.{a}" for a in ("requested", "in_progress", "completed")
    ]
    payload = standin.deliveries[-1].payload
    assert payload["workflow_run"]["conclusion"] == "success"
    assert payload["workflow_run"]["display_title"] == "kernelwright kw-1"
    artifact = next(iter(run.get_artifacts()))
    assert artifact.name == "kernelwright-kw-1"
    with zipfile.ZipFile(io.BytesIO(repository.runs[0].artifacts[0].data)) as archive:
        assert archive.namelist() == ["problems/env.txt", "request.json"]
        assert archive.read("request.json").decode() == request
        env = archive.read("problems/env.txt").decode()
    for line in ("MODEL=replay:x", "KEY=hush", "LAYER=job", f"PYTHONPATH={CHECKOUT}"):
        assert line in env.splitlines()
    log = repository.runs[0].log_file.read_text()
    assert log.splitlines() == ["README.md", "model replay:x"]


def test_a_job_does_not_inherit_the_services_environment(
    repository: Repository, dispatch: Dispatch, ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELWRIGHT_WEBHOOK_SECRET", "must not leak")
    ended(dispatch().id)
    with zipfile.ZipFile(io.BytesIO(repository.runs[0].artifacts[0].data)) as archive:
        assert "must not leak" not in archive.read("problems/env.txt").decode()


def test_the_artifact_comes_through_a_link_that_takes_no_credentials_and_ends(
    standin: StandIn, dispatch: Dispatch, ended, app: github.Github
) -> None:
    run = ended(dispatch().id)
    url = next(iter(run.get_artifacts())).archive_download_url
    bearer = {"Authorization": f"Bearer {app.requester.auth.token}"}
    answer = httpx.get(url, headers=bearer, trust_env=False)
    link = answer.headers["location"]
    assert answer.status_code == 302
    assert httpx.get(link, trust_env=False).content[:2] == b"PK"
    assert httpx.get(link, headers=bearer, trust_env=False).status_code == 400
    # Another host: a client that follows redirects leaves its credentials behind by itself.
    followed = httpx.get(url, headers=bearer, trust_env=False, follow_redirects=True)
    assert followed.status_code == 200
    standin.hub.blobs.clock = lambda: float("inf")
    assert httpx.get(link, trust_env=False).status_code == 403


@pytest.mark.parametrize(
    ("ref", "inputs", "message"),
    [
        ("main", {"request": "{}", "request_id": "kw-1", "more": "x"}, "Unexpected inputs"),
        ("main", {"request": "{}"}, "Required input 'request_id' not provided"),
        ("main", {"request": "x" * 65_532, "request_id": "kw-1"}, "too large"),
        ("nowhere", {"request": "{}", "request_id": "kw-1"}, "No ref found"),
    ],
)
def test_refuses_a_dispatch_as_github_does(
    standin: StandIn, remote: Remote, ref: str, inputs: dict[str, str], message: str
) -> None:
    with pytest.raises(github.GithubException, match=message) as refused:
        remote.get_workflow("generate.yml").create_dispatch(ref, inputs, throw=True)
    assert refused.value.status == 422
    assert names(standin) == []


def test_takes_the_longest_request_that_github_takes(
    standin: StandIn, dispatch: Dispatch, ended
) -> None:
    assert ended(dispatch("x" * (65_535 - 4)).id).conclusion == "success"


def test_runs_are_listed_newest_first_and_executed_in_order(
    remote: Remote, dispatch: Dispatch, ended
) -> None:
    first, second = dispatch(request_id="kw-1"), dispatch(request_id="kw-2")
    ended(second.id)
    assert remote.get_workflow_run(first.id).status == "completed"
    titles = [run.display_title for run in remote.get_workflow("generate.yml").get_runs()]
    assert titles == ["kernelwright kw-2", "kernelwright kw-1"]


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out"])
def test_a_fault_ends_a_run_before_its_command(
    standin: StandIn, repository: Repository, dispatch: Dispatch, ended, conclusion: str
) -> None:
    standin.faults.end_next_run(conclusion)
    run = ended(dispatch().id)
    assert run.conclusion == conclusion
    assert list(run.get_artifacts()) == []
    assert ended(dispatch().id).conclusion == "success"


def test_an_artifact_can_get_lost_or_altered(
    standin: StandIn, repository: Repository, dispatch: Dispatch, ended
) -> None:
    standin.faults.lose_artifact()
    run = ended(dispatch().id)
    assert (run.conclusion, list(run.get_artifacts())) == ("success", [])
    standin.faults.alter_artifact(lambda data: data[:10])
    ended(dispatch().id)
    assert len(repository.runs[1].artifacts[0].data) == 10


def test_a_command_can_stand_in_for_the_script(
    standin: StandIn, repository: Repository, dispatch: Dispatch, ended
) -> None:
    script = (
        'mkdir -p "$RUNNER_TEMP/out/bundle"; echo "$KERNEL_REQUEST" > "$RUNNER_TEMP/out/bundle/r"'
    )
    standin.runs.command = ["bash", "-c", script]
    assert ended(dispatch().id).conclusion == "success"
    standin.runs.command = ["bash", "-c", "echo no; exit 3"]
    assert ended(dispatch().id).conclusion == "failure"
    assert repository.runs[1].log_file.read_text() == "no\n"


def test_a_function_can_stand_in_for_the_script(
    standin: StandIn, repository: Repository, dispatch: Dispatch, ended
) -> None:
    def run(job: Job) -> int:
        (job.temp / "out" / "bundle").mkdir(parents=True)
        (job.temp / "out" / "bundle" / "request").write_text(job.inputs["request"])
        return 0

    standin.runs.command = run
    assert ended(dispatch("asked").id).conclusion == "success"
    with zipfile.ZipFile(io.BytesIO(repository.runs[0].artifacts[0].data)) as archive:
        assert archive.read("request") == b"asked"


def test_a_run_that_leaves_nothing_behind_fails(
    standin: StandIn, dispatch: Dispatch, ended
) -> None:
    standin.runs.command = ["true"]
    assert ended(dispatch().id).conclusion == "failure"


def test_a_run_past_its_time_is_ended_with_all_its_processes(
    tmp_path: Path, eventually: Eventually
) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    with StandIn(tmp_path / "s", runner_command=["bash", "-c", script], run_timeout_s=0.5) as slow:
        repo = slow.create_repository("octo/k", files=workflow_files())
        ada = slow.person("ada", repo, "admin")
        body = {"ref": "main", "inputs": {"request": "{}", "request_id": "kw-1"}}
        ada.request("POST", "/actions/workflows/generate.yml/dispatches", body)
        eventually(lambda: repo.runs[0].conclusion == "timed_out")
        eventually(lambda: not Path(f"/proc/{int(pid_file.read_text())}").exists())


def test_a_run_can_be_cancelled(standin: StandIn, dispatch: Dispatch, ended, eventually) -> None:
    standin.runs.command = ["sleep", "60"]
    first, second = dispatch(), dispatch()
    eventually(lambda: "workflow_run.in_progress" in names(standin))
    standin.runs.cancel(second.id)
    standin.runs.cancel(first.id)
    assert ended(first.id).conclusion == "cancelled"
    assert ended(second.id).conclusion == "cancelled"


def workflow_files() -> dict[str, bytes]:
    path = ".github/workflows/generate.yml"
    return {path: (CHECKOUT / path).read_bytes()}


def test_the_projects_own_workflow_is_one_that_can_be_run() -> None:
    text = workflow_files()[".github/workflows/generate.yml"].decode()
    workflow = parse_workflow(text, "generate.yml")
    assert set(workflow.inputs) == {"request", "request_id", "runner"}
    assert workflow.id_token
    assert "python -m runner generate --request" in workflow.script
    assert workflow.artifact_name == "kernelwright-${{ inputs.request_id }}"
    contexts = {
        "inputs": {"request": "{}", "request_id": "kw-1"},
        "vars": {},
        "secrets": {},
        "runner": {"temp": "/t"},
    }
    assert resolve(workflow.run_name, contexts) == "kernelwright kw-1"
    assert resolve(workflow.artifact_path, contexts) == "/t/out/bundle"
    assert all(isinstance(resolve(value, contexts), str) for value in workflow.env.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("a ${{ inputs.x }} b", "a one b"),
        ("${{inputs.x}}${{ inputs.missing }}", "one"),
        ("${{ inputs.missing || vars.y }}", "two"),
        ("${{ inputs.missing || 'it''s' }}", "it's"),
        ("${{ github.event.inputs.x }}", "one"),
    ],
)
def test_resolves_expressions(text: str, value: str) -> None:
    contexts = {
        "inputs": {"x": "one"},
        "vars": {"y": "two"},
        "github": {"event.inputs.x": "one"},
    }
    assert resolve(text, contexts) == value


@pytest.mark.parametrize("text", ["${{ hashFiles('x') }}", "${{ needs.a.b }}", "${{ a == b }}"])
def test_refuses_an_expression_that_it_would_have_to_guess_at(text: str) -> None:
    with pytest.raises(WorkflowFault, match="not one that the stand-in"):
        resolve(text, {"inputs": {}})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("on: push\njobs: {}", "workflow_dispatch"),
        ("on: {workflow_dispatch: }\njobs: {a: {steps: [{run: x}]}}", "id: generate"),
        (
            "on: {workflow_dispatch: }\njobs: {a: {steps: [{id: generate, run: x}]}}",
            "upload-artifact",
        ),
        ("- a list", "not a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_says_what_a_workflow_lacks(text: str, fault: str) -> None:
    with pytest.raises(WorkflowFault, match=fault):
        parse_workflow(text, "generate.yml")
