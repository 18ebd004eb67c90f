"""Where a verdict was reached: versions, GPU, driver, clocks and sandbox.

Owns the reading of this machine for the bundle. Reports None for what is not there, and never
guesses; does not import torch where a package's own metadata says enough.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from runner.contract import Environment
from runner.errors import INSTALL, RunnerError

_QUERY = "name,driver_version,compute_cap,memory.total,clocks.sm,clocks.mem,clocks.max.sm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as the driver describes it; clocks as they are now, and the highest."""

    name: str
    driver: str
    compute_capability: str  # for example "9.0"
    memory_mib: int
    sm_mhz: int
    memory_mhz: int
    max_sm_mhz: int


def collect_environment(
    *, device: Literal["cpu", "cuda"], sandbox: Literal["bubblewrap", "none"]
) -> Environment:
    """This machine, as the bundle records it. A verdict on the CPU has no GPU, whatever is here.

    Raises RunnerError when torch or triton is not installed.
    """
    gpus = query_gpus() if device == "cuda" else ()
    gpu = gpus[0] if gpus else None
    return Environment(
        gpu=gpu.name if gpu else None,
        driver=gpu.driver if gpu else None,
        cuda=_cuda_version() if device == "cuda" else None,
        torch=_version("torch"),
        triton=_version("triton"),
        python=platform.python_version(),
        sandbox=sandbox,
        clocks_mhz={"sm": gpu.sm_mhz, "memory": gpu.memory_mhz} if gpu else None,
    )


def choose_device(asked: Literal["cpu", "cuda"] | None) -> Literal["cpu", "cuda"]:
    """Where to verify: as asked, else on the GPU where PyTorch sees one.

    Raises RunnerError where a GPU is asked for and there is none. Imports torch.
    """
    if asked == "cpu":
        return "cpu"
    problem = gpu_problem()
    if problem is None:
        return "cuda"
    if asked == "cuda":
        raise RunnerError(f"there is no GPU to use: {problem}")
    return "cpu"


def gpu_problem() -> str | None:
    """Why PyTorch can use no GPU here; None when it can. Imports torch."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU"
    return None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise RunnerError(f"{package} is not installed: {INSTALL}") from error


def _cuda_version() -> str | None:
    from torch.version import cuda

    return str(cuda) if cuda else None


def query_gpus() -> tuple[Gpu, ...]:
    """Every GPU that the driver's tool describes in full; none where there is no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return ()
    if done.returncode != 0:
        return ()
    return tuple(gpu for gpu in map(_read_gpu, done.stdout.splitlines()) if gpu is not None)


def _read_gpu(line: str) -> Gpu | None:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 7 or not all(field.isdigit() for field in fields[3:]):
        return None
    return Gpu(
        name=fields[0],
        driver=fields[1],
        compute_capability=fields[2],
        memory_mib=int(fields[3]),
        sm_mhz=int(fields[4]),
        memory_mhz=int(fields[5]),
        max_sm_mhz=int(fields[6]),
    )
