"""One job as a process of its own, with the environment of a runner.

Owns the process, its log, its deadline and its end. Knows nothing of GitHub: a job goes in, a
conclusion comes out.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bot

_GRACE_S = 10.0  # between SIGTERM and SIGKILL: GitHub's runner gives 7.5 s and 2.5 s
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run and where. `temp` is the runner's temporary folder, also in `env`."""

    run_id: int
    inputs: Mapping[str, str]
    script: str
    pipefail: bool  # as GitHub does for `shell: bash`
    env: Mapping[str, str]
    temp: Path
    workspace: Path
    log_file: Path
    timeout_s: float
    cancelled: threading.Event


# None: the workflow's own script. A list: that command, in the same environment. A function: called
# with the job in place of any process; it returns the exit status.
RunnerCommand = Sequence[str] | Callable[[Job], int] | None


def job_env(repository: str, run_id: int, head_sha: str, folder: Path) -> dict[str, str]:
    """The environment that a self-hosted runner of this checkout gives to a step.

    Only what is named here: the bot's own settings must not reach a job.
    """
    path = os.environ.get("PATH", os.defpath)
    files = {name: folder / name.lower() for name in ("STEP_SUMMARY", "OUTPUT", "ENV")}
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}",
        "PYTHONPATH": str(Path(bot.__file__).parents[1]),
        "PYTHONUNBUFFERED": "1",
        "HOME": os.environ.get("HOME", str(folder)),
        "LANG": "C.UTF-8",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": repository,
        "GITHUB_RUN_ID": str(run_id),
        "GITHUB_SHA": head_sha,
        "GITHUB_WORKSPACE": str(folder / "workspace"),
        "RUNNER_TEMP": str(folder / "temp"),
        "RUNNER_OS": "Linux",
        **{f"GITHUB_{name}": str(file) for name, file in files.items()},
    }


def run_job(job: Job, command: RunnerCommand) -> str:
    """Run the job to its end: success, failure, cancelled or timed_out, GitHub's words for it."""
    if callable(command):
        status = command(job)
        if job.cancelled.is_set():
            return "cancelled"
        return "success" if status == 0 else "failure"
    if command is None:
        script = job.temp.parent / "generate.sh"
        script.write_text(job.script, encoding="utf-8")
        flags = ["--noprofile", "--norc", "-eo", "pipefail"] if job.pipefail else ["-e"]
        command = ["bash", *flags, str(script)]
    with job.log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=job.workspace,
            env=dict(job.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return _wait(process, job)


def _wait(process: subprocess.Popen[bytes], job: Job) -> str:
    deadline = time.monotonic() + job.timeout_s
    while process.poll() is None:
        if job.cancelled.wait(_POLL_S):
            _end(process)
            return "cancelled"
        if time.monotonic() > deadline:
            _end(process)
            return "timed_out"
    return "success" if process.returncode == 0 else "failure"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the job's whole process group, politely first."""
    for how, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
