"""Scripts in a worker's place: they need no torch, start at once and do as they are told."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runner.verifier import process
from runner.verifier.arena import Arena
from runner.verifier.process import Start, WorkerFailed, WorkerProcess
from runner.verifier.sandbox import Sandbox

_PRELUDE = """\
import json, os, sys, threading, time
def say(message):
    os.write(1, json.dumps(message).encode() + b"\\n")
def hear():
    return json.loads(sys.stdin.readline())
"""
READY = 'say({"ready": True})\n'
ECHO = READY + "while True: say({'ok': True, 'heard': hear()})"


class ScriptWorkers:
    """Starts scripts as workers, and ends what is left of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder
        self._started: list[WorkerProcess] = []

    def start(self, script: str, kind: str = "none", **fields: Any) -> WorkerProcess:
        """A worker that runs `script`, in which `say` and `hear` speak to the judge."""
        folder = self._folder / f"worker-{len(self._started)}"
        folder.mkdir()
        program = folder / "python"
        program.write_text(f"#!{sys.executable} -IS\n{_PRELUDE}{script}\n")
        program.chmod(0o755)
        self._monkeypatch.setattr(process, "interpreter", lambda: str(program))
        # The cache is what a sandboxed worker sees of the host: here, its own program.
        fields = {"cache": folder, "cpu_s": 60.0, "role": "candidate", **fields}
        arenas = (Arena.create(1 << 12),)
        worker = WorkerProcess(Start(sandbox=Sandbox(kind=kind), arenas=arenas, **fields))
        self._started.append(worker)
        return worker

    def end(self) -> None:
        """Close the workers that the test has not closed."""
        for worker in self._started:
            if not worker._stdout.closed:
                worker.close()


def soon(seconds: float = 5.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def failure(
    worker: WorkerProcess, job: dict[str, Any] | None = None, deadline: float | None = None
) -> WorkerFailed:
    """How a job fails; whoever fails is ended at once."""
    with pytest.raises(WorkerFailed) as failed:
        worker.ask(job or {"op": "call"}, deadline or soon())
    worker._process.wait(timeout=5)
    return failed.value


def open_files() -> list[str]:
    """This process's descriptors, but for arenas: their memory goes with the last view of it."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found.append(os.readlink(path))  # noqa: PTH115 - a pipe's name is no path
    return sorted(target for target in found if "memfd:" not in target)
