"""Rules that every workflow file keeps: what a self-hosted GPU machine must never be exposed to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.settings import ADDRESSES, KEYS

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
MAX_DISPATCH_INPUTS = 25
VARIABLES = (
    "KERNELWRIGHT_MODEL",
    "KERNELWRIGHT_ALLOW_NO_SANDBOX",
    "KERNELWRIGHT_CONTEXT_TOKENS",
    "KERNELWRIGHT_PRICES",
    "KERNELWRIGHT_PROGRESS_URL",
    "KERNELWRIGHT_OIDC_AUDIENCE",
)
MAY_SAY_WHO_IT_IS = {("generate.yml", "generate")}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text())
    # YAML 1.1 reads the bare key `on` as the boolean.
    workflow["on"] = workflow.pop(True)
    return workflow


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    return load(ROOT / ".github" / "workflows" / "generate.yml")


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "generate.yml"}


@each_workflow
def test_pins_every_action_by_sha_and_names_its_version(path: Path) -> None:
    uses = [line.strip(" -") for line in path.read_text().splitlines() if "uses:" in line]

    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []


@each_workflow
def test_grants_nothing_at_the_top_and_no_write_to_any_job(path: Path) -> None:
    workflow = load(path)

    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        # A token for a job's own identity writes nothing; only the job that posts progress has it.
        identity = {"id-token": "write"} if (path.name, name) in MAY_SAY_WHO_IT_IS else {}
        others = {key: to for key, to in job["permissions"].items() if key not in identity}
        assert set(others.values()) <= {"read"}
        assert identity.items() <= job["permissions"].items()


@each_workflow
def test_every_job_ends(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 120 for job in load(path)["jobs"].values())


@each_workflow
def test_no_expression_reaches_a_shell(path: Path) -> None:
    scripts = [step["run"] for step in steps_of(load(path)) if "run" in step]

    assert [script for script in scripts if "${{" in script] == []


@each_workflow
def test_checkouts_leave_no_credentials_behind(path: Path) -> None:
    checkouts = [
        step
        for step in steps_of(load(path))
        if step.get("uses", "").startswith("actions/checkout@")
    ]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_workflow
def test_no_pull_request_reaches_the_gpu(path: Path) -> None:
    workflow = load(path)

    # A label that comes from an input may be any self-hosted runner's.
    labels = [str(job["runs-on"]) for job in workflow["jobs"].values()]
    if any("gpu" in label or "${{" in label for label in labels):
        assert not {"pull_request", "pull_request_target", "push"} & set(workflow["on"])


def test_generate_is_found_by_its_request_id(generate: dict[str, Any]) -> None:
    inputs = generate["on"]["workflow_dispatch"]["inputs"]
    upload = steps_of(generate)[-1]

    assert set(inputs) == {"request", "request_id", "runner"}
    assert [name for name, spec in inputs.items() if spec.get("required")] == [
        "request",
        "request_id",
    ]
    assert len(inputs) <= MAX_DISPATCH_INPUTS
    assert generate["run-name"] == "kernelwright ${{ inputs.request_id }}"
    assert upload["with"]["name"] == "kernelwright-${{ inputs.request_id }}"
    assert upload["with"]["path"] == "${{ runner.temp }}/out/bundle"


def test_generate_queues_instead_of_cancelling(generate: dict[str, Any]) -> None:
    assert generate["concurrency"] == {"group": "kernelwright-gpu", "queue": "max"}


def test_generate_runs_on_the_gpu_unless_other_labels_are_asked_for(
    generate: dict[str, Any],
) -> None:
    default = generate["on"]["workflow_dispatch"]["inputs"]["runner"]["default"]

    assert json.loads(default) == ["gpu"]
    # Said twice: a dispatch through some clients leaves an input empty instead of at its default.
    assert generate["jobs"]["generate"]["runs-on"] == (
        "${{ fromJSON(inputs.runner || '" + default + "') }}"
    )


def test_generate_takes_keys_from_secrets_and_the_rest_from_variables(
    generate: dict[str, Any],
) -> None:
    (step,) = [step for step in steps_of(generate) if step.get("id") == "generate"]
    own = {"KERNEL_REQUEST": "${{ inputs.request }}", "PYTHONSAFEPATH": "1"}
    keys = {name: "${{ secrets." + name + " }}" for name in KEYS}
    settings = {name: "${{ vars." + name + " }}" for name in (*ADDRESSES, *VARIABLES)}

    assert step["env"] == own | keys | settings
