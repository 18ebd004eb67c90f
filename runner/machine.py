"""What this machine has without its GPU: versions, sandbox, memory, room; one fact at a time.

Owns the looking. Every fact is tried or read here and now; what cannot be told is not guessed.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import INSTALL, RunnerError
from runner.one_line import one_line
from runner.verifier.sandbox import interpreter, open_sandbox

State = Literal["ok", "missing", "absent"]
Mode = Literal["cpu", "cuda"]
BOTH: tuple[Mode, ...] = ("cpu", "cuda")

_PYTHON = ((3, 11), (3, 13))
_FIRST_TRITON = (3, 4)
# Three workers with torch and Triton loaded take 0.4 GB each before any tensor.
_MIN_MEMORY_BYTES = 2 << 30
_MIN_TEMP_BYTES = 256 << 20
_LOCKDOWN_PROBE = """\
import socket
from runner.verifier.lockdown import lock_down
lock_down()
try:
    socket.socket()
except PermissionError:
    print("refused")
else:
    print("a locked-down process could open a socket")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing about this machine.

    `missing`: it is needed and not there, or not as it must be; `absent`: nothing is lost but what
    it would add. `needed_for`: the modes that do not work unless the state is `ok`.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
    needed_for: tuple[Mode, ...] = ()


def python_fact() -> Fact:
    """Whether this Python is one that is tested."""
    version = platform.python_version()
    if _PYTHON[0] <= sys.version_info[:2] <= _PYTHON[1]:
        return Fact(name="Python", state="ok", detail=version, needed_for=BOTH)
    first, last = (".".join(map(str, bound)) for bound in _PYTHON)
    return Fact(
        name="Python",
        state="missing",
        detail=f"{version} is not supported",
        remedy=f"use Python {first} to {last}",
        needed_for=BOTH,
    )


def package_facts() -> Iterator[Fact]:
    """torch and Triton, and whether the two belong together."""
    versions = {name: _version_of(name) for name in ("torch", "triton")}
    for name, version in versions.items():
        if version is None:
            detail = "is not installed"
            yield Fact(name=name, state="missing", detail=detail, remedy=INSTALL, needed_for=BOTH)
        elif name == "torch":
            yield Fact(name=name, state="ok", detail=version, needed_for=BOTH)
    if versions["triton"] is not None:
        yield triton_fact(versions["triton"], wanted_triton() if versions["torch"] else None)


def triton_fact(version: str, wanted: str | None) -> Fact:
    """Triton's version beside the one that torch demands (None: it demands none)."""
    problem = None
    if wanted is not None and version != wanted:
        problem = f"{version}, but this torch needs {wanted}"
        remedy = f"pip install triton=={wanted}"
    elif numbers_of(version) < _FIRST_TRITON:
        problem = f"{version} is too old"
        remedy = f"pip install 'triton>={'.'.join(map(str, _FIRST_TRITON))}'"
    if problem is not None:
        return Fact(name="triton", state="missing", detail=problem, remedy=remedy, needed_for=BOTH)
    pair = "the one that this torch needs" if wanted else "this torch needs no particular one"
    return Fact(name="triton", state="ok", detail=f"{version}, {pair}", needed_for=BOTH)


def wanted_triton() -> str | None:
    """The one Triton that the installed torch pins; None where it pins none."""
    for line in importlib.metadata.requires("torch") or ():
        found = re.match(r"triton\s*==\s*([\d.]+)", line)
        if found:
            return found[1]
    return None


def sandbox_fact() -> Fact:
    """Whether a sandbox can be made: one is made."""
    try:
        open_sandbox(allow_none=False)
    except RunnerError as error:
        return Fact(
            name="sandbox",
            state="missing",
            detail=str(error),
            remedy="apt install bubblewrap, and allow user namespaces for it",
            needed_for=BOTH,
        )
    detail = f"{first_line_of(['bwrap', '--version']) or 'bubblewrap'}, tried"
    return Fact(name="sandbox", state="ok", detail=detail, needed_for=BOTH)


def lockdown_fact() -> Fact:
    """Whether a worker can give up system calls: one does, and is then refused a socket."""
    sandbox = open_sandbox(allow_none=True)
    with tempfile.TemporaryDirectory(prefix="kernelwright-") as folder:
        said = first_line_of(
            sandbox.wrap([interpreter(), "-P", "-s", "-c", _LOCKDOWN_PROBE]),
            sandbox.environment({}, Path(folder)),
        )
    if said == "refused":
        detail = "a locked-down process is refused a socket, tried"
        return Fact(name="seccomp", state="ok", detail=detail, needed_for=BOTH)
    return Fact(
        name="seccomp",
        state="missing",
        detail=said or "a locked-down process ended without a word",
        remedy="use a Linux kernel with seccomp filters, on x86_64 or aarch64",
        needed_for=BOTH,
    )


def memory_fact() -> Fact:
    """Memory that is free here, under the limits that hold for this process."""
    limits = {"available": _available_bytes(), "the control group allows": _group_bytes()}
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limits["address space is limited to"] = hard
    known = {name: size for name, size in limits.items() if size is not None}
    detail = ", ".join(f"{name} {size_text(size)}" for name, size in known.items())
    enough = not known or min(known.values()) >= _MIN_MEMORY_BYTES
    return Fact(
        name="memory",
        state="ok" if enough else "missing",
        detail=detail or "unknown",
        remedy="" if enough else f"{size_text(_MIN_MEMORY_BYTES)} are needed at least",
        needed_for=BOTH,
    )


def temporary_fact() -> Fact:
    """Whether short-lived files can be written, and how much room there is."""
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        problem = f"{folder}: {error.strerror}"
    else:
        if free >= _MIN_TEMP_BYTES:
            detail = f"{size_text(free)} free in {folder}"
            return Fact(name="temporary files", state="ok", detail=detail, needed_for=BOTH)
        problem = f"only {size_text(free)} free in {folder}"
    return Fact(
        name="temporary files",
        state="missing",
        detail=problem,
        remedy=f"free {size_text(_MIN_TEMP_BYTES)}, or set TMPDIR to a folder with room",
        needed_for=BOTH,
    )


def first_line_of(command: list[str], environment: dict[str, str] | None = None) -> str | None:
    """The first line that a command prints; where it fails, its last complaint; None for none."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if not said:
        return None
    return one_line(said[0] if done.returncode == 0 else said[-1], 200)


def numbers_of(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _available_bytes() -> int | None:
    """MemAvailable of /proc/meminfo."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else None


def _group_bytes() -> int | None:
    """The limit of this control group (version 2), where there is one."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def size_text(size_bytes: int) -> str:
    """Bytes as GiB or MiB."""
    if size_bytes >= 1 << 30:
        return f"{size_bytes / (1 << 30):,.1f} GiB"
    return f"{size_bytes / (1 << 20):,.0f} MiB"
