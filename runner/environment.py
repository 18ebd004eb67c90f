"""Where a verdict was reached: versions, GPU, driver, clocks and sandbox.

Owns the reading of this machine for the bundle. Reports None for what is not there, and never
guesses; does not import torch where a package's own metadata says enough.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from typing import Literal

from runner.contract import Environment
from runner.errors import RunnerError

_QUERY = "name,driver_version,clocks.sm,clocks.mem"


def collect_environment(
    *, device: Literal["cpu", "cuda"], sandbox: Literal["bubblewrap", "none"]
) -> Environment:
    """This machine, as the bundle records it. A verdict on the CPU has no GPU, whatever is here.

    Raises RunnerError when torch or triton is not installed.
    """
    gpu = _query_gpu() if device == "cuda" else None
    return Environment(
        gpu=gpu[0] if gpu else None,
        driver=gpu[1] if gpu else None,
        cuda=_cuda_version() if device == "cuda" else None,
        torch=_version("torch"),
        triton=_version("triton"),
        python=platform.python_version(),
        sandbox=sandbox,
        clocks_mhz={"sm": int(gpu[2]), "memory": int(gpu[3])} if gpu else None,
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        message = f"{package} is not installed: pip install 'kernelwright[runner]'"
        raise RunnerError(message) from error


def _cuda_version() -> str | None:
    from torch.version import cuda

    return str(cuda) if cuda else None


def _query_gpu() -> list[str] | None:
    """Name, driver, SM clock and memory clock (MHz) of the first GPU; None where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    fields = [field.strip() for field in done.stdout.split(",")]
    complete = done.returncode == 0 and len(fields) == 4 and fields[2].isdigit()
    return fields if complete and fields[3].isdigit() else None
