"""Rules that every workflow file keeps: what a self-hosted GPU machine must never be exposed to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
MAX_DISPATCH_INPUTS = 25

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
    for job in workflow["jobs"].values():
        assert set(job["permissions"].values()) <= {"read"}


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

    if any("gpu" in str(job["runs-on"]) for job in workflow["jobs"].values()):
        assert not {"pull_request", "pull_request_target", "push"} & set(workflow["on"])


def test_generate_is_found_by_its_request_id(generate: dict[str, Any]) -> None:
    inputs = generate["on"]["workflow_dispatch"]["inputs"]
    upload = steps_of(generate)[-1]

    assert set(inputs) == {"request", "request_id"}
    assert len(inputs) <= MAX_DISPATCH_INPUTS
    assert generate["run-name"] == "kernelwright ${{ inputs.request_id }}"
    assert upload["with"]["name"] == "kernelwright-${{ inputs.request_id }}"
    assert upload["with"]["path"] == "${{ runner.temp }}/out/bundle"


def test_generate_queues_instead_of_cancelling(generate: dict[str, Any]) -> None:
    assert generate["concurrency"] == {"group": "kernelwright-gpu", "queue": "max"}


def test_generate_takes_the_key_from_secrets_and_the_rest_from_variables(
    generate: dict[str, Any],
) -> None:
    (step,) = [step for step in steps_of(generate) if step.get("id") == "generate"]

    assert step["env"]["KERNEL_REQUEST"] == "${{ inputs.request }}"
    assert {name: source for name, source in step["env"].items() if "secrets." in source} == {
        "OPENAI_API_KEY": "${{ secrets.OPENAI_API_KEY }}"
    }
    for name in ("KERNELWRIGHT_MODEL", "KERNELWRIGHT_ALLOW_NO_SANDBOX", "OPENAI_BASE_URL"):
        assert step["env"][name] == "${{ vars." + name + " }}"
