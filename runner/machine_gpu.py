"""The GPU, and the tools that a kernel on it needs: one fact at a time.

Owns the looking, and the place where the verifier's own trial of the GPU comes in. Measures
nothing itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from runner.contract import Roofline
from runner.environment import Gpu, gpu_problem, query_gpus
from runner.errors import INSTALL
from runner.machine import BOTH, Fact, Mode, numbers_of

_FIRST_COMPUTE_CAPABILITY = (8, 0)  # Ampere: the oldest that Triton generates full code for
_CUDA_FOLDER = "/usr/local/cuda/bin"
_PROBE = "runner.verifier.gpu.probe"
_FOR_CUDA: tuple[Mode, ...] = ("cuda",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProbe:
    """What the verifier's own trial of the GPU found.

    `sandbox_problem`: why CUDA does not work in the sandbox; None where it does.
    """

    sandbox_problem: str | None
    roofline: Roofline | None


def probe_gpu() -> GpuProbe | None:
    """The trial of `runner.verifier.gpu.probe`; None where this installation has no such module."""
    try:
        module = importlib.import_module(_PROBE)
    except ModuleNotFoundError as error:
        if error.name != _PROBE:
            raise
        return None
    return cast(GpuProbe, module.probe())


def gpu_facts() -> Iterator[Fact]:
    """The GPUs, the compiler that a launch needs, and CUDA in the sandbox. Imports torch."""
    problem, gpus = gpu_problem(), query_gpus()
    if problem is not None:
        yield _no_gpu(problem, gpus)
        return
    yield from map(_gpu_fact, gpus)
    if not gpus:
        detail = "PyTorch sees one; nvidia-smi does not describe it (driver, clocks: unknown)"
        yield Fact(name="GPU", state="ok", detail=detail, needed_for=_FOR_CUDA)
    yield compiler_fact()
    yield from probe_facts(probe_gpu())


def probe_facts(probe: GpuProbe | None) -> Iterator[Fact]:
    """CUDA in the sandbox, and the measured roofline."""
    name = "CUDA in the sandbox"
    if probe is None:
        detail = f"cannot be tried: this installation has no {_PROBE}"
        yield Fact(name=name, state="missing", detail=detail, remedy=INSTALL, needed_for=_FOR_CUDA)
        return
    if probe.sandbox_problem is None:
        yield Fact(name=name, state="ok", detail="works, tried", needed_for=_FOR_CUDA)
    else:
        yield Fact(
            name=name,
            state="missing",
            detail=probe.sandbox_problem,
            remedy="make /dev/nvidia* and the driver's libraries visible to this user",
            needed_for=_FOR_CUDA,
        )
    if probe.roofline is None:
        yield Fact(name="roofline", state="absent", detail="not measured")
    else:
        yield Fact(name="roofline", state="ok", detail=roofline_text(probe.roofline))


def roofline_text(roofline: Roofline) -> str:
    """What was measured, on one line."""
    products = "".join(
        f", {dtype} matrix products {rate:,.0f} TFLOP/s"
        for dtype, rate in roofline.matmul_tflop_per_s.items()
    )
    return (
        f"copy {roofline.copy_gb_per_s:,.0f} GB/s{products} "
        f"({roofline.multiprocessors} multiprocessors, {roofline.l2_bytes >> 20} MiB of L2)"
    )


def _no_gpu(problem: str, gpus: tuple[Gpu, ...]) -> Fact:
    if not gpus:
        return Fact(name="GPU", state="absent", detail=f"none ({problem})", needed_for=_FOR_CUDA)
    return Fact(
        name="GPU",
        state="missing",
        detail=f"{gpus[0].name} is there, but {problem}",
        remedy="install a CUDA build of PyTorch that this driver can run",
        needed_for=_FOR_CUDA,
    )


def _gpu_fact(gpu: Gpu) -> Fact:
    detail = (
        f"{gpu.name}, compute capability {gpu.compute_capability}, {gpu.memory_mib / 1024:.0f} GiB,"
        f" driver {gpu.driver}, SM clock {gpu.sm_mhz} of {gpu.max_sm_mhz} MHz, memory clock "
        f"{gpu.memory_mhz} MHz"
    )
    if numbers_of(gpu.compute_capability) >= _FIRST_COMPUTE_CAPABILITY:
        return Fact(name="GPU", state="ok", detail=detail, needed_for=_FOR_CUDA)
    remedy = "use a GPU of compute capability 8.0 or newer"
    return Fact(name="GPU", state="missing", detail=detail, remedy=remedy, needed_for=_FOR_CUDA)


def compiler_fact() -> Fact:
    """The C compiler that Triton builds its launchers with, as Triton looks for it."""
    named = os.environ.get("CC")
    found = shutil.which(named) if named else shutil.which("gcc") or shutil.which("clang")
    version = tool_version(found) if found else None
    if found and version:
        detail = f"{found}, {version}"
        return Fact(name="C compiler", state="ok", detail=detail, needed_for=_FOR_CUDA)
    return Fact(
        name="C compiler",
        state="missing",
        detail=f"CC names {named}, which does not run" if named else "neither gcc nor clang",
        remedy="apt install gcc: Triton compiles a launcher for each kernel",
        needed_for=_FOR_CUDA,
    )


def ptxas_fact() -> Fact:
    """The assembler that Triton brings along."""
    override = os.environ.get("TRITON_PTXAS_PATH")
    spec = importlib.util.find_spec("triton")
    folders = spec.submodule_search_locations if spec else None
    bundled = Path((folders or [""])[0], "backends", "nvidia", "bin", "ptxas")
    path = Path(override) if override else bundled
    version = tool_version(str(path)) if path.exists() else None
    if version is not None:
        return Fact(name="ptxas", state="ok", detail=version, needed_for=BOTH)
    return Fact(
        name="ptxas",
        state="missing",
        detail=f"{path} does not run",
        remedy="reinstall Triton in its version (pip install --force-reinstall --no-deps)",
        needed_for=BOTH,
    )


def tool_fact(name: str, without: str) -> Fact:
    """A tool of the CUDA toolkit that adds something where it is there."""
    path = shutil.which(name) or shutil.which(name, path=_CUDA_FOLDER)
    version = tool_version(path) if path else None
    if version is None:
        remedy = "install the CUDA toolkit"
        return Fact(name=name, state="absent", detail=f"not here: {without}", remedy=remedy)
    return Fact(name=name, state="ok", detail=version)


def tool_version(path: str) -> str | None:
    """What `path --version` calls its version; None where it does not run."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+\.\d+(?:\.\d+)*", done.stdout)
    return found[0] if done.returncode == 0 and found else None
