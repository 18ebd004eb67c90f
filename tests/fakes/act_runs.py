"""A workflow file itself, run by act on this machine; only checkout and upload are stood in for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ACTIONS = ROOT / "tests" / "house" / "actions"
# Nothing listens on the discard port: an attempt to fetch anything fails at once.
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    exit_code: int
    log: str
    artifacts: Path

    @property
    def artifact(self) -> Path:
        """The only artifact."""
        (folder,) = self.artifacts.iterdir()
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """act in a clone that holds one workflow alone, with caches and settings of its own.

    `checkout` is what `actions/checkout` finds.
    """

    folder: Path
    workflow: Path
    checkout: Path | None = None

    def run(
        self,
        inputs: Mapping[str, str],
        *,
        variables: Mapping[str, str] = _NOTHING,
        secrets: Mapping[str, str] = _NOTHING,
        path: str,
        matrix: str | None = None,
        limit_s: float = 120,
    ) -> Ran:
        """Dispatch the workflow with those inputs, `path` being the job's PATH.

        `matrix` such as `leg:pinned` runs that row alone.
        """
        (self.folder / "event.json").write_text(json.dumps({"inputs": dict(inputs)}))
        artifacts = self.folder / "artifacts"
        environment = {"ARTIFACT_STORE": artifacts, "CHECKOUT_SOURCE": self.checkout or ""}
        given = [f"--workflows=.github/workflows/{self.workflow.name}"]
        given += ["--eventpath=../event.json", "--platform=gpu=-self-hosted"]
        given += ["--no-cache-server", "--no-skip-checkout"]
        given += [f"--matrix={matrix}"] if matrix else []
        given += [f"--env={name}={value}" for name, value in environment.items()]
        given += [f"--var={name}={value}" for name, value in variables.items()]
        given += [f"--secret={name}={value}" for name, value in secrets.items()]
        for action in pinned_actions(self.workflow):
            name = action.split("@")[0].removeprefix("actions/")
            given.append(f"--local-repository={action}={ACTIONS / name}")
        # A person's own settings for the product must not decide what the workflow sees.
        own = ("KERNELWRIGHT_", "OPENAI_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        home = {f"XDG_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CACHE", "CONFIG")}
        done = subprocess.run(
            [Path(sys.executable).with_name("act"), "workflow_dispatch", *given],
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


def make_act(folder: Path, workflow: Path, checkout: Path | None = None) -> Act:
    """act for that workflow file, below `folder`."""
    clone = folder / "clone"
    workflows = clone / ".github" / "workflows"
    workflows.mkdir(parents=True)
    lines = workflow.read_text().splitlines(keepends=True)
    # act does not know `queue`, which has no bearing on a single run: that line alone goes.
    without_queue = [line for line in lines if line != "  queue: max\n"]
    assert len(without_queue) == len(lines) - 1
    (workflows / workflow.name).write_text("".join(without_queue))
    git = ["git", "-c", "user.name=octocat", "-c", "user.email=octocat@example.com"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "workflow"]):
        subprocess.run([*git, *arguments], cwd=clone, check=True)
    return Act(folder=folder, workflow=workflow, checkout=checkout)


def fake_python(folder: Path, script: str) -> str:
    """A PATH on which `python` is that script."""
    fake = folder / "bin" / "python"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(script)
    fake.chmod(0o755)
    return f"{fake.parent}{os.pathsep}{os.environ['PATH']}"


def pinned_actions(workflow: Path) -> list[str]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return sorted({step["uses"] for job in jobs for step in job["steps"] if "uses" in step})
