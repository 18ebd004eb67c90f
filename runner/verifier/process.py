"""One worker process, seen from the judge: start, ask, kill.

Owns descriptors, deadlines and the end of the process group. Believes nothing: a reply is one
line of JSON below a size cap, and anything else is reported as the worker's failure.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from runner.errors import RunnerError
from runner.verifier.arena import SharedMemory
from runner.verifier.finding import first_line
from runner.verifier.memory import exhausted, is_out_of_memory
from runner.verifier.sandbox import Sandbox, interpreter
from runner.verifier.watch import children_of, held_by

Role = Literal["reference", "candidate", "compiler", "cuda-reference", "cuda-candidate"]
MAX_REPLY_BYTES = 16 << 20  # the PTX of a large kernel is some MB
MAX_STDERR_BYTES = 64 << 10
# torch and triton map 0.9 GiB before any work; the rest is for the kernel under test.
ADDRESS_SPACE_BYTES = 8 << 30
# CUDA reserves address space by the hundred GiB, so there the limit is on memory itself.
DATA_BYTES = 16 << 30
MAX_THREADS = 1024
START_TIMEOUT_S = 60.0
_WATCH_S = 0.1


class Tools(Protocol):
    """What runs a tool for a worker that may start no process (`gpu.toolchain`)."""

    def serve(self, request: Mapping[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a worker is started: what it shares with the judge first, and what it may spend.

    `arenas`: the first is where its jobs' tensors lie. `owned`: they end with the worker.
    `device_fraction`: the share of the GPU's memory that it may take. `tools`: see `Tools`.
    `cache`: a folder that it may read (`gpu.triton_cache`).
    """

    role: Role
    sandbox: Sandbox
    arenas: tuple[SharedMemory, ...]
    cpu_s: float
    owned: bool = True
    device_fraction: float = 1.0
    tools: Tools | None = None
    cache: Path | None = None


class WorkerFailed(Exception):
    """The worker did not answer as agreed: it died, said garbage or ran out of time.

    Carries `kind` ("died", "garbage", "timeout"), `reason` (one clause) and `stderr` (its tail).
    """

    def __init__(
        self, kind: Literal["died", "garbage", "timeout"], reason: str, stderr: str
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.stderr = stderr


class WorkerProcess:
    """A worker of one role in its sandbox. Use once, then `close`."""

    def __init__(self, start: Start) -> None:
        self.role = start.role
        self.arena = start.arenas[0]
        self.ready: dict[str, Any] = {}
        self._start = start
        self._gpu = start.role.startswith("cuda")
        self._buffer = bytearray()
        # Without a name: nothing is left of it, however this process ends.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        # The worker's HOME where there is no sandbox to give it an empty /tmp.
        self._folder: Path | None = None
        if start.sandbox.kind == "none":
            self._folder = Path(tempfile.mkdtemp(prefix="kernelwright-"))
        settings = {
            "role": start.role,
            "arenas": [[arena.fd, arena.size_bytes] for arena in start.arenas],
            "address_space": None if self._gpu else ADDRESS_SPACE_BYTES,
            "data": DATA_BYTES,
            "cpu_s": int(start.cpu_s) + 1,
            "device_fraction": start.device_fraction,
            "triton_cache": str(start.cache) if start.cache else None,
            "started_s": time.monotonic(),
        }
        command = [
            *(interpreter(), "-P", "-s", "-m", "runner.verifier.worker", json.dumps(settings)),
        ]
        try:
            self._process = subprocess.Popen(
                start.sandbox.wrap(
                    command, gpu=self._gpu, visible=[start.cache] if start.cache else ()
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=start.sandbox.environment(role_environment(start.role), self._folder),
                cwd=self._folder or "/",
                pass_fds=[arena.fd for arena in start.arenas],
                start_new_session=True,
            )
        except OSError as error:
            self._remove_files()
            raise RunnerError(f"cannot start a worker: {error}") from error
        if self._process.stdout is None or self._process.stdin is None:
            raise RunnerError("the worker has no pipes")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdout.fileno(), False)
        os.set_blocking(self._stdin.fileno(), False)

    def wait_ready(self) -> None:
        """Wait until the worker has loaded its libraries. Raises RunnerError when it cannot."""
        if self.ready:
            return
        try:
            ready = self._read_reply(time.monotonic() + START_TIMEOUT_S)
        except WorkerFailed as error:
            detail = error.stderr.strip().splitlines()
            tail = f": {detail[-1]}" if detail else ""
            raise RunnerError(
                f"a {self.role} worker did not start: {error.reason}{tail}"
            ) from error
        if not ready.get("ready"):
            raise _not_started(self.role, str(ready.get("error")))
        self.ready = ready

    def ask(self, job: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send one job and wait for its reply until `deadline` (time.monotonic seconds)."""
        self.wait_ready()
        self._write(job, deadline)
        while True:
            reply = self._read_reply(deadline)
            if self._start.tools is None or "tool" not in reply:
                return reply
            self._write(self._start.tools.serve(reply), deadline)

    def stderr_tail(self) -> str:
        """The last of what the worker printed; whatever it is, it is text for people."""
        size = os.fstat(self._stderr.fileno()).st_size
        start = max(0, size - MAX_STDERR_BYTES)
        data = os.pread(self._stderr.fileno(), MAX_STDERR_BYTES, start)
        return data.decode("utf-8", errors="replace")

    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process group at once. Safe from another thread, and when it has ended."""
        # The leader is not reaped before this, so its number cannot be someone else's.
        if self._process.returncode is not None:
            return
        # bwrap's child is the worker. It goes first, and bwrap ends when it has gone: the other
        # way round the worker, and its GPU memory, would outlive `close` for a moment.
        children = children_of(self._process.pid) if self._start.sandbox.kind != "none" else []
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill, reap, and give everything back, the arenas too where they are the worker's own."""
        self.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        self._remove_files()
        if self._start.owned:
            for arena in self._start.arenas:
                arena.close()

    def _remove_files(self) -> None:
        self._stderr.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, message: Mapping[str, Any], deadline: float) -> None:
        """One line to the worker, which may not be reading."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while data:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise self._failed("timeout", "it ran out of time")
                try:
                    data = data[os.write(self._stdin.fileno(), data) :]
                except OSError:
                    raise self._failed("died", self._how_it_ended()) from None

    def _read_reply(self, deadline: float) -> dict[str, Any]:
        line = self._read_line(deadline)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise self._failed("garbage", "it wrote garbage where its reply was due")
        return reply

    def _read_line(self, deadline: float) -> bytes:
        searched = 0
        look_s = time.monotonic() + _WATCH_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while (end := self._buffer.find(b"\n", searched)) < 0:
                searched = len(self._buffer)
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._failed("timeout", "it ran out of time")
                readable = selector.select(min(left_s, _WATCH_S))
                # By the clock, not by silence: whoever keeps talking is looked at as well.
                if time.monotonic() >= look_s:
                    self._check_spending()
                    look_s = time.monotonic() + _WATCH_S
                if not readable:
                    continue
                chunk = self._stdout.read(1 << 16)
                if chunk == b"":
                    raise self._failed("died", self._how_it_ended())
                self._buffer += chunk or b""
                if len(self._buffer) > MAX_REPLY_BYTES:
                    raise self._failed("garbage", "it wrote more than a reply can have")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _check_spending(self) -> None:
        """What no limit of the system holds: shared memory is left out of RLIMIT_DATA, and root
        may start any number of threads."""
        held_bytes, threads = held_by(self._process.pid)
        if held_bytes > DATA_BYTES:
            raise self._failed("died", f"it took more than {DATA_BYTES >> 30} GiB of host memory")
        if threads > MAX_THREADS:
            raise self._failed("died", f"it started more than {MAX_THREADS} threads")

    def _failed(self, kind: Literal["died", "garbage", "timeout"], reason: str) -> WorkerFailed:
        stderr = self.stderr_tail()
        self.kill()
        return WorkerFailed(kind, reason, stderr)

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Its pipes are closed; give it a moment to become reapable.
            self._process.wait(timeout=2)
        code = self._process.returncode
        if code is None:
            return "it closed its pipes"
        # bwrap, like a shell, reports a signal of its child as 128 + number.
        number = -code if code < 0 else code - 128 if code > 128 else None
        if number is not None and number in set(signal.Signals):
            return f"it was ended by {signal.Signals(number).name}"
        return f"it ended itself with exit status {code}"


def _not_started(role: Role, said: str) -> RunnerError:
    """Why a worker says it cannot work. CUDA's own text is a page."""
    what = f"a {role} worker did not start"
    kind, _, message = said.partition(": ")
    if role.startswith("cuda") and is_out_of_memory(kind, message):
        return exhausted(f"{what}: it ran out of the GPU's memory", said=message)
    return RunnerError(f"{what}: {first_line(said)}")


def role_environment(role: Role) -> dict[str, str]:
    """What a worker of `role` gets besides the sandbox's own environment."""
    threads = {"OMP_NUM_THREADS": "2" if role == "reference" else "1"}
    if role == "candidate":
        return {"TRITON_INTERPRET": "1", **threads}
    # Triton 3.9 announces a change of this default at every start; this is what 3.4 to 3.9 do.
    fixed = {"TRITON_DEFAULT_FP_FUSION": "1", **threads}
    if role.startswith("cuda"):
        # Where the driver and which GPU: the operator's, not secrets. Inductor starts no process.
        names = ("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CC")
        fixed |= {name: os.environ[name] for name in names if name in os.environ}
        fixed |= {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    return fixed
