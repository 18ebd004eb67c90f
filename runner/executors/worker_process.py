"""The other end of a worker: a process that is handed one job at a time.

Owns its start and its end. A worker that dies under a job is `WorkerLost`, never a reply.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from runner.errors import RunnerError
from runner.executors.jobs import Job, Reply

COMMAND = (sys.executable, "-m", "runner.executors.worker")
# A run that is told to stop ends its verdict and writes its bundle.
GRACE_S = 60.0


class WorkerLost(RunnerError):
    """The worker died before its reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStart:
    """How a worker starts. `log`: where its stderr goes; None: to this process's own."""

    environment: Mapping[str, str]
    command: Sequence[str] = COMMAND
    folder: Path = field(default_factory=Path.cwd)
    log: Path | None = None


class WorkerProcess:
    """One worker. `perform` blocks; `stop` may come from another thread meanwhile."""

    def __init__(self, start: WorkerStart) -> None:
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(start.log.open("ab")) if start.log else None
            self._process = subprocess.Popen(
                start.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(start.environment),
                cwd=start.folder,
                # Ctrl-C in a terminal reaches the parent alone: it decides what ends, and when.
                start_new_session=True,
            )

    def perform(self, job: Job) -> Reply:
        """The reply to `job`. Raises WorkerLost."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker has pipes")
        try:
            process.stdin.write(job.model_dump_json().encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError) as error:  # ValueError: stopped, so its stdin is shut
            raise WorkerLost(f"{job.name}: its worker has ended") from error
        try:
            return Reply.model_validate_json(line)
        except ValidationError as error:
            if line.endswith(b"\n"):  # it lives, and must not be waited for
                raise WorkerLost(f"{job.name}: its worker said what is no reply") from error
            status = process.wait()
            raise WorkerLost(f"{job.name}: its worker ended with status {status}") from error

    def stop(self) -> None:
        """Ask it to end; what is under way delivers what it has."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def close(self, grace_s: float = GRACE_S) -> None:
        """See it ended, by force where it takes longer than `grace_s`."""
        self.stop()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
