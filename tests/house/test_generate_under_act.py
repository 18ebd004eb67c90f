"""`generate.yml` itself, run by act on this machine; only checkout and upload are stood in for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from runner.bundle import pack_bundle, read_bundle
from runner.contract import EvaluationStatus, KernelRequest, Outcome
from runner.verifier.sandbox import open_sandbox

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "generate.yml"
ACTIONS = Path(__file__).parent / "actions"
REQUEST_ID = "kw-0123456789abcdef"
# Nothing listens on the discard port: an attempt to fetch anything fails at once.
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
# What `generate.yml` leaves of a summary; GitHub takes 1 MiB.
SUMMARY_BYTES = 1_000_000

PROBLEM = Path(__file__).parent / "scaled_add"
PROBLEM_TOML = (PROBLEM / "problem.toml").read_text()
REFERENCE_PY = (PROBLEM / "reference.py").read_text()
KERNEL_PY = (PROBLEM / "kernel.py").read_text()
# Takes the place of `python` where the test is about the workflow, not about the loop.
FAKE_PYTHON = """\
#!/usr/bin/env bash
set -eu
[ "$*" = "-m runner generate --request $RUNNER_TEMP/request.json --out $RUNNER_TEMP/out" ]
[ -z "${KERNEL_REQUEST+set}" ]
mkdir -p "$RUNNER_TEMP/out/bundle"
cp "$RUNNER_TEMP/request.json" "$RUNNER_TEMP/out/bundle/"
shown='^(KERNELWRIGHT_|[A-Z]+_(BASE_URL|API_KEY)=.|PYTHONSAFEPATH)'
env | grep -E "$shown" | sort > "$RUNNER_TEMP/out/bundle/env.txt"
"""


@pytest.fixture(scope="module")
def request_document() -> KernelRequest:
    return KernelRequest.model_validate(
        {
            "request_id": REQUEST_ID,
            "repository": "octo/kernels",
            "base_sha": "0" * 40,
            "issue_number": 7,
            "generation": 0,
            "requested_by": "octocat",
            "problem_toml": PROBLEM_TOML,
            "reference_py": REFERENCE_PY,
            "budget": {"wall_clock_s": 120},
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    exit_code: int
    log: str
    artifacts: Path

    @property
    def artifact(self) -> Path:
        (folder,) = self.artifacts.iterdir()
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """act in a clone that holds the workflow alone, with caches and settings of its own."""

    folder: Path

    def run(
        self, request: KernelRequest, *, variables: dict[str, str], path: str, limit_s: float = 30
    ) -> Ran:
        (self.folder / "event.json").write_text(
            json.dumps({"inputs": {"request": request.model_dump_json(), "request_id": REQUEST_ID}})
        )
        artifacts = self.folder / "artifacts"
        command = [Path(sys.executable).with_name("act"), "workflow_dispatch"]
        command += ["--workflows", ".github/workflows/generate.yml"]
        command += ["--eventpath", "../event.json", "--platform", "gpu=-self-hosted"]
        command += [
            "--no-cache-server",
            "--no-skip-checkout",
            "--env",
            f"ARTIFACT_STORE={artifacts}",
        ]
        command += ["--secret", "OPENAI_API_KEY=sk-not-a-real-key"]
        for action in pinned_actions():
            name = action.split("@")[0].removeprefix("actions/")
            command += ["--local-repository", f"{action}={ACTIONS / name}"]
        for name, value in variables.items():
            command += ["--var", f"{name}={value}"]
        # A person's own settings for the product must not decide what the workflow sees.
        own = ("KERNELWRIGHT_", "OPENAI_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        home = {f"XDG_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CACHE", "CONFIG")}
        done = subprocess.run(
            command,
            cwd=self.folder / "clone",
            env={**env, **NO_NETWORK, **home, "PATH": path, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
        return Ran(exit_code=done.returncode, log=done.stdout, artifacts=artifacts)


def pinned_actions() -> list[str]:
    job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["generate"]
    return [step["uses"] for step in job["steps"] if "uses" in step]


@pytest.fixture
def act(tmp_path: Path) -> Act:
    clone = tmp_path / "clone"
    workflows = clone / ".github" / "workflows"
    workflows.mkdir(parents=True)
    lines = WORKFLOW.read_text().splitlines(keepends=True)
    # act does not know `queue`, which has no bearing on a single run: that line alone goes.
    without_queue = [line for line in lines if line != "  queue: max\n"]
    assert len(without_queue) == len(lines) - 1
    (workflows / "generate.yml").write_text("".join(without_queue))
    git = ["git", "-c", "user.name=octocat", "-c", "user.email=octocat@example.com"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "workflow"]):
        subprocess.run([*git, *arguments], cwd=clone, check=True)
    return Act(folder=tmp_path)


@pytest.fixture
def fake_python(tmp_path: Path) -> Path:
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    return fake


def path_with(folder: Path) -> str:
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_request_reaches_the_runner_byte_for_byte(
    act: Act, fake_python: Path, request_document: KernelRequest
) -> None:
    variables = {
        "KERNELWRIGHT_MODEL": "deepseek-r1",
        "OPENAI_BASE_URL": "http://models.internal/v1",
    }

    ran = act.run(request_document, variables=variables, path=path_with(fake_python.parent))

    assert ran.exit_code == 0, ran.log
    assert ran.artifact.name == f"kernelwright-{REQUEST_ID}"
    assert (ran.artifact / "request.json").read_text() == request_document.model_dump_json()
    assert (ran.artifact / "env.txt").read_text().splitlines() == [
        "KERNELWRIGHT_ALLOW_NO_SANDBOX=",
        "KERNELWRIGHT_CONTEXT_TOKENS=",
        "KERNELWRIGHT_MODEL=deepseek-r1",
        "KERNELWRIGHT_OIDC_AUDIENCE=",
        "KERNELWRIGHT_PRICES=",
        "KERNELWRIGHT_PROGRESS_URL=",
        "OPENAI_API_KEY=sk-not-a-real-key",
        "OPENAI_BASE_URL=http://models.internal/v1",
        "PYTHONSAFEPATH=1",
    ]
    assert "sk-not-a-real-key" not in ran.log


def test_a_failed_loop_fails_the_run_and_uploads_nothing(
    act: Act, fake_python: Path, request_document: KernelRequest
) -> None:
    fake_python.write_text("#!/bin/sh\necho 'no model: set KERNELWRIGHT_MODEL' >&2\nexit 2\n")

    ran = act.run(request_document, variables={}, path=path_with(fake_python.parent))

    assert ran.exit_code != 0
    assert "no model: set KERNELWRIGHT_MODEL" in ran.log
    assert "The run ended before it wrote a summary." in ran.log
    assert not ran.artifacts.exists()


def test_a_long_summary_is_cut_below_what_github_accepts(
    act: Act, fake_python: Path, request_document: KernelRequest
) -> None:
    long_summary = 'printf "%01048576d\\n" 0 > "$RUNNER_TEMP/out/summary.md"\n'
    fake_python.write_text(FAKE_PYTHON + long_summary)

    ran = act.run(request_document, variables={}, path=path_with(fake_python.parent))

    assert ran.exit_code == 0, ran.log[:10_000]
    (shown,) = [line for line in ran.log.splitlines() if "Summary - " in line]
    assert shown.count("0") >= SUMMARY_BYTES - 1000
    assert len(shown) < 1 << 20


def test_a_loop_that_leaves_no_bundle_fails_the_run(
    act: Act, fake_python: Path, request_document: KernelRequest
) -> None:
    fake_python.write_text("#!/bin/sh\nexit 0\n")

    ran = act.run(request_document, variables={}, path=path_with(fake_python.parent))

    assert ran.exit_code != 0
    assert not ran.artifacts.exists()


def test_the_real_loop_hands_back_a_bundle_that_the_bot_accepts(
    act: Act, request_document: KernelRequest, tmp_path: Path
) -> None:
    transcript = tmp_path / "transcript.jsonl"
    answer = {
        "generation": 0,
        "attempt": 1,
        "model": "handwritten",
        "reasoning": "One pass over the vectors, memory bound.",
        "content": f"One masked load of each.\n\n```python\n{KERNEL_PY}```\n",
        "usage": {"prompt_tokens": None, "reasoning_tokens": None, "completion_tokens": None},
    }
    transcript.write_text(json.dumps(answer) + "\n")
    variables = {"KERNELWRIGHT_MODEL": f"replay:{transcript}"}
    sandbox = open_sandbox(allow_none=True).kind
    if sandbox == "none":
        variables["KERNELWRIGHT_ALLOW_NO_SANDBOX"] = "1"

    ran = act.run(
        request_document,
        variables=variables,
        path=path_with(Path(sys.executable).parent),
        limit_s=180,
    )

    assert ran.exit_code == 0, ran.log
    bundle = read_bundle(pack_bundle(ran.artifact), request=request_document)
    assert bundle.manifest.outcome is Outcome.CORRECT
    assert bundle.manifest.environment.sandbox == sandbox
    assert [attempt.evaluation.status for attempt in bundle.manifest.attempts] == [
        EvaluationStatus.PASSED
    ]
    assert bundle.files["problems/scaled_add/kernel.py"].decode() == KERNEL_PY
    assert bundle.files["problems/scaled_add/problem.toml"].decode() == PROBLEM_TOML
