"""What a careless benchmark does, so that the tests can show that the cheats work on it.

Owns a deliberately bad harness: candidate and reference in one process, a fixed seed, one workload,
a loose tolerance, a clock that the candidate can reach, and belief in an exit status. Only the
tests of the corpus use it. Each kernel gets a process of its own with small limits, because some of
them attack it; a server that has loaded PyTorch already forks them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER_S = 2.0
PATIENCE_S = 60.0
_WRONG = 3  # exit status of a run whose comparison failed
_LIMITS = {
    resource.RLIMIT_AS: 8 << 30,
    resource.RLIMIT_FSIZE: 16 << 20,
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_CORE: 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveVerdict:
    """What the careless harness makes of a kernel: passes, fails, dies or hangs.

    `faster`: it passes, and is reported to be quicker than the reference.
    """

    outcome: str
    faster: bool
    output: str


def bench(kernel: Path, device: str) -> int:
    """Judge `kernel` the careless way, in the working folder's harness. Returns an exit status."""
    import torch

    row_of_inputs, entry = json.loads(Path("inputs.json").read_text()), sys.argv[-1]
    candidate = _load(kernel, entry)
    reference = _load(Path("reference.py"), entry)
    torch.manual_seed(0)
    inputs = [_make(row, device) for row in row_of_inputs]
    candidate(*inputs), reference(*inputs)  # warm-up
    expected = reference(*inputs).clone()
    found = candidate(*inputs)
    if not torch.allclose(found, expected, **json.loads(Path("tolerance.json").read_text())):
        print("wrong")
        return _WRONG
    timer = _time_on_gpu if device == "cuda" else _time_on_cpu
    print(json.dumps({"candidate": timer(candidate, inputs), "ref": timer(reference, inputs)}))
    return 0


def _time_on_cpu(function: Callable[..., Any], inputs: list[Any]) -> float:
    started = time.perf_counter()
    for _ in range(3):
        function(*inputs)
    return (time.perf_counter() - started) / 3


def _time_on_gpu(function: Callable[..., Any], inputs: list[Any]) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(100):
        function(*inputs)
    end.record()
    end.synchronize()  # waits for its own stream only
    return start.elapsed_time(end) / 1e5


def _load(path: Path, entry: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, entry)


def _make(row: dict[str, Any], device: str) -> Any:
    import torch

    dtype = getattr(torch, row["dtype"])
    if not dtype.is_floating_point:
        return torch.randint(0, row["high"], row["shape"], dtype=dtype, device=device)
    return torch.randn(row["shape"], device=device).to(dtype)


class NaiveHarness:
    """The server and its folder. A context manager; one kernel at a time."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._folder = Path(tempfile.mkdtemp(prefix="naive-"))
        # Somebody to call home to, on this machine.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        port = self._listener.getsockname()[1]
        environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TRITON_CACHE_DIR": str(self._folder / "triton"),
            "OPENAI_API_KEY": "not-a-key",
            "DROP_PORT": str(port),
            **({"TRITON_INTERPRET": "1"} if device == "cpu" else {}),
        }
        self._server = subprocess.Popen(
            [sys.executable, __file__, "serve", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def judge(self, kernel: Path, problem: Any, *, patience_s: float = PATIENCE_S) -> NaiveVerdict:
        """Run the careless harness on one kernel file for one `runner.problem.Problem`."""
        work = Path(tempfile.mkdtemp(dir=self._folder))
        (work / "reference.py").write_text(problem.reference_text)
        (work / "tolerance.json").write_text('{"atol": 1e-2, "rtol": 1e-2}')
        workload = problem.benchmarks[0] if self._device == "cuda" else problem.tests[-1]
        rows = [
            {
                "dtype": spec.dtype,
                "shape": spec.concrete_shape(workload),
                "high": workload.axes.get(spec.high, spec.high),
            }
            for spec in problem.inputs
        ]
        (work / "inputs.json").write_text(json.dumps(rows))
        job = {"kernel": str(kernel), "folder": str(work), "entry": problem.entry}
        self._server.stdin.write(json.dumps({**job, "patience_s": patience_s}) + "\n")
        self._server.stdin.flush()
        reply = json.loads(self._server.stdout.readline())
        return NaiveVerdict(
            outcome=reply["outcome"], faster=_is_faster(reply["output"]), output=reply["output"]
        )

    def __enter__(self) -> NaiveHarness:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.wait(timeout=30)
        self._server.stdout.close()
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_faster(output: str) -> bool:
    for line in output.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            times = json.loads(line)
            return times["candidate"] < times["ref"]
    return False


def serve(device: str) -> None:
    """Load PyTorch and Triton once, then fork for each job."""
    import torch
    import triton  # noqa: F401 - loaded for the children

    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line), device)), flush=True)


def _run(job: dict[str, Any], device: str) -> dict[str, str]:
    with tempfile.TemporaryFile() as output:
        # A process between us and the kernel: some kernels kill their parent.
        parent = os.fork()
        if parent == 0:
            os.setsid()
            child = os.fork()
            if child == 0:
                _become_harness(job, device, output.fileno())
            os._exit(_exit_status(os.waitpid(child, 0)[1]))
        status = _wait(parent, job["patience_s"])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent, signal.SIGKILL)
        if status is None:
            os.waitpid(parent, 0)
        output.seek(0)
        tail = output.read()[-4000:].decode(errors="replace")
    outcome = {None: "hangs", 0: "passes", _WRONG: "fails"}.get(status, "dies")
    return {"outcome": outcome, "output": tail}


def _become_harness(job: dict[str, Any], device: str, output: int) -> None:
    """In the child: never returns, and leaves as the interpreter itself would."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.closerange(3, 1024)
    os.chdir(job["folder"])
    for kind, limit in _LIMITS.items():
        if device == "cpu" or kind is not resource.RLIMIT_AS:  # CUDA reserves addresses freely
            resource.setrlimit(kind, (limit, limit))
    sys.argv = ["naive_harness.py", job["entry"]]
    code: object = 1
    try:
        code = bench(Path(job["kernel"]), device)
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:  # noqa: BLE001 - what Python does when a program ends so
        import traceback

        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _wait(process: int, patience_s: float) -> int | None:
    """The exit status of `process`, or None when patience ran out."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return _exit_status(status)
        time.sleep(0.01)
    return None


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    serve(sys.argv[2])
