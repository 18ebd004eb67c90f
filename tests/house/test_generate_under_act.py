"""`generate.yml` itself, run by act on this machine; only checkout and upload are stood in for."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.bundle import pack_bundle, read_bundle
from runner.contract import EvaluationStatus, KernelRequest, Outcome
from runner.kernel_facts import without_facts
from runner.verifier.sandbox import open_sandbox
from tests.fakes.act_runs import Act, Ran, fake_python, make_act

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "generate.yml"
REQUEST_ID = "kw-0123456789abcdef"
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
class Generate:
    """act with generate.yml, dispatched as the bot does it."""

    act: Act

    def run(
        self, request: KernelRequest, *, variables: dict[str, str], path: str, limit_s: float = 120
    ) -> Ran:
        inputs = {"request": request.model_dump_json(), "request_id": REQUEST_ID}
        secrets = {"OPENAI_API_KEY": "sk-not-a-real-key"}
        return self.act.run(
            inputs, variables=variables, secrets=secrets, path=path, limit_s=limit_s
        )


@pytest.fixture
def act(tmp_path: Path) -> Generate:
    return Generate(act=make_act(tmp_path, WORKFLOW))


def test_the_request_reaches_the_runner_byte_for_byte(
    act: Generate, tmp_path: Path, request_document: KernelRequest
) -> None:
    path = fake_python(tmp_path, FAKE_PYTHON)
    variables = {
        "KERNELWRIGHT_MODEL": "deepseek-r1",
        "OPENAI_BASE_URL": "http://models.internal/v1",
    }

    ran = act.run(request_document, variables=variables, path=path)

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
    act: Generate, tmp_path: Path, request_document: KernelRequest
) -> None:
    path = fake_python(tmp_path, "#!/bin/sh\necho 'no model: set KERNELWRIGHT_MODEL' >&2\nexit 2\n")

    ran = act.run(request_document, variables={}, path=path)

    assert ran.exit_code != 0
    assert "no model: set KERNELWRIGHT_MODEL" in ran.log
    assert "The run ended before it wrote a summary." in ran.log
    assert not ran.artifacts.exists()


def test_a_long_summary_is_cut_below_what_github_accepts(
    act: Generate, tmp_path: Path, request_document: KernelRequest
) -> None:
    long_summary = 'printf "%01048576d\\n" 0 > "$RUNNER_TEMP/out/summary.md"\n'
    path = fake_python(tmp_path, FAKE_PYTHON + long_summary)

    ran = act.run(request_document, variables={}, path=path)

    assert ran.exit_code == 0, ran.log[:10_000]
    (shown,) = [line for line in ran.log.splitlines() if "Summary - " in line]
    assert shown.count("0") >= SUMMARY_BYTES - 1000
    assert len(shown) < 1 << 20


def test_a_loop_that_leaves_no_bundle_fails_the_run(
    act: Generate, tmp_path: Path, request_document: KernelRequest
) -> None:
    path = fake_python(tmp_path, "#!/bin/sh\nexit 0\n")

    ran = act.run(request_document, variables={}, path=path)

    assert ran.exit_code != 0
    assert not ran.artifacts.exists()


def test_the_real_loop_hands_back_a_bundle_that_the_bot_accepts(
    act: Generate, request_document: KernelRequest, tmp_path: Path
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
        path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        limit_s=180,
    )

    assert ran.exit_code == 0, ran.log
    bundle = read_bundle(pack_bundle(ran.artifact), request=request_document)
    assert bundle.manifest.outcome is Outcome.CORRECT
    assert bundle.manifest.environment.sandbox == sandbox
    assert [attempt.evaluation.status for attempt in bundle.manifest.attempts] == [
        EvaluationStatus.PASSED
    ]
    delivered = bundle.files["problems/scaled_add/kernel.py"].decode()
    assert without_facts(delivered) == KERNEL_PY
    assert bundle.files["problems/scaled_add/problem.toml"].decode() == PROBLEM_TOML
