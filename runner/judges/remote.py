"""One judge's process, seen from the pool: start, ask, abandon, end.

Owns its pipes, and that a process that died is noticed. One question at a time.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from pydantic import ValidationError

from runner.errors import RunnerError
from runner.judges.gpus import Device
from runner.judges.messages import Opening, Ready, Reply, Request
from runner.judges.process import DEVICE_VARIABLE

COMMAND = (sys.executable, "-P", "-m", "runner.judges.process")
_END_S = 20.0  # to end by itself, once its stdin is closed: it has workers to end first


class JudgeDied(RunnerError):
    """The process ended, or said what is no reply."""


class RemoteJudge:
    """A judge on one GPU. `close` may come from another thread, and ends a question under way."""

    def __init__(
        self, device: Device | None, opening: Opening, command: Sequence[str] = COMMAND
    ) -> None:
        self.device = device
        self._line = opening.model_dump_json()
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: Ready | None = None
        self._number = 0
        self._writing = threading.Lock()
        self._closed = False

    def begin(self) -> None:
        """Start the process, without waiting for it."""
        if self._closed:
            raise RunnerError("the judges are closed")
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment(),
                start_new_session=True,  # a terminal's Ctrl-C is the loop's to handle
            )
        except OSError as error:
            raise RunnerError(f"cannot start a judge: {error}") from error
        self._ready = None
        self._number = 0
        self._write(self._line)

    def ready(self) -> Ready:
        """Where it runs, once it does. Raises JudgeDied, or why it cannot be opened."""
        if self._ready is None:
            self._ready = self._read(0).ready
        if self._ready is None:
            raise JudgeDied(f"{self}: it did not say where it runs")
        return self._ready

    def ask(self, request: Request) -> Reply:
        """The reply. Raises JudgeDied, and what the judge itself raised."""
        self.ready()
        self._number += 1
        numbered = request.model_copy(update={"number": self._number})
        self._write(numbered.model_dump_json())
        return self._read(self._number)

    def abandon(self) -> None:
        """End what it does now; whoever asked gets the reply to that."""
        with contextlib.suppress(JudgeDied):  # then there is nothing to end
            self._write(Request(number=0, op="abandon").model_dump_json())

    def restart(self) -> None:
        """Another process in place of one that died."""
        self._end(0.0)
        self.begin()

    def close(self) -> None:
        """End it, by force where it does not end by itself. Safe to call twice."""
        self._closed = True
        self._end(_END_S)

    def __str__(self) -> str:
        return f"the judge on {self.device}" if self.device else "the judge"

    def _environment(self) -> dict[str, str]:
        if self.device is None:
            return dict(os.environ)
        chosen = {"CUDA_VISIBLE_DEVICES": self.device.uuid, DEVICE_VARIABLE: str(self.device)}
        return {**os.environ, **chosen}

    def _write(self, line: str) -> None:
        stdin = self._pipes()[0]
        try:
            with self._writing:  # `abandon` comes from another thread
                stdin.write(line.encode() + b"\n")
                stdin.flush()
        except (OSError, ValueError) as error:
            raise JudgeDied(f"{self} is gone") from error

    def _read(self, number: int) -> Reply:
        stdout = self._pipes()[1]
        try:
            line = stdout.readline()
            reply = Reply.model_validate_json(line) if line.endswith(b"\n") else None
        except (OSError, ValueError, ValidationError) as error:
            raise JudgeDied(f"{self} said what is no reply") from error
        if reply is None or reply.number != number:
            raise JudgeDied(f"{self} is gone" if reply is None else f"{self} answered another")
        if reply.failure is not None:
            raise reply.failure.error()
        return reply

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise JudgeDied(f"{self} is not running")
        return process.stdin, process.stdout

    def _end(self, patience_s: float) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()  # whoever still reads has met its end
