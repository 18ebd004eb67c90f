"""The bubblewrap command line that generated code runs under, and the rule when there is none.

Owns what a worker can see: the interpreter, its packages and this package, read-only; an empty
/tmp; no network, no home, no environment but an allow-list. Refuses to run without a sandbox
unless the operator said so. Torch-free.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import INSTALL, RunnerError, SandboxUnavailable

TMP_BYTES = 512 << 20
SHM_BYTES = 64 << 20
_PACKAGE_AT = "/kernelwright"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
# What the dynamic linker and Debian's alternatives need; no passwd, no hosts, no keys.
_ETC = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives")
_INSTALL_HINT = (
    "install bubblewrap (Debian and Ubuntu: apt install bubblewrap), or allow going without a "
    "sandbox with --allow-no-sandbox (it is recorded in the bundle)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How worker commands are wrapped on this machine."""

    kind: Literal["bubblewrap", "none"]

    def wrap(
        self,
        command: Sequence[str],
        *,
        visible: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        gpu: bool = False,
    ) -> list[str]:
        """The command line that runs `command`; `visible` paths are bound read-only as well.

        `writable` paths are bound for writing; `gpu` shows NVIDIA's device nodes and no others.
        """
        if self.kind == "none":
            return list(command)
        nodes = [word for node in _gpu_nodes() for word in ("--dev-bind", node, node)]
        shown = [word for path in writable for word in ("--bind", str(path), str(path))]
        return [
            *_bwrap(),
            *(_settings_read_only() if gpu else ("--remount-ro", "/proc")),
            *(nodes if gpu else ()),
            *("--remount-ro", "/dev"),
            *_binds(visible, shown),
            *("--chdir", "/tmp", "--", *command),  # noqa: S108
        ]

    def environment(self, extra: dict[str, str], scratch: Path | None) -> dict[str, str]:
        """The whole environment of a worker: an allow-list, nothing inherited.

        `scratch` is its HOME where there is no sandbox; inside one it is the sandbox's own /tmp.
        """
        if self.kind == "none" and scratch is None:
            raise ValueError("without a sandbox a worker needs a scratch folder")
        home = "/tmp" if self.kind == "bubblewrap" else str(scratch)  # noqa: S108
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "TMPDIR": home,
            "USER": "worker",  # torch asks for a name, and there is no passwd file to look in
            "LANG": "C.UTF-8",
            "TRITON_CACHE_DIR": f"{home}/triton",
            "PYTHONPATH": os.pathsep.join(self._import_path()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **extra,
        }

    def _import_path(self) -> list[str]:
        own = _PACKAGE_AT if self.kind == "bubblewrap" else str(_package_folder().parent)
        return [own, *(str(folder) for folder in _outside_prefix())]


def open_sandbox(*, allow_none: bool) -> Sandbox:
    """The sandbox of this machine. Raises SandboxUnavailable unless `allow_none`."""
    problem = _probe()
    if problem is None:
        return Sandbox(kind="bubblewrap")
    if not allow_none:
        raise SandboxUnavailable(f"no sandbox for generated code: {problem}; {_INSTALL_HINT}")
    return Sandbox(kind="none")


@functools.cache
def _probe() -> str | None:
    """Why no sandbox can be made here; None when one can. Tried once a process."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    command = Sandbox(kind="bubblewrap").wrap([interpreter(), "-I", "-S", "-c", "pass"])
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "bwrap does not come back"
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return f"bwrap fails here ({said[-1] if said else f'exit {done.returncode}'})"
    return None


@functools.cache
def _tmpfs_size_known() -> bool:
    """Whether this bwrap can bound a tmpfs (since 0.7)."""
    text = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    return "--size BYTES" in text.stdout + text.stderr


def _bwrap() -> list[str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise RunnerError("bwrap has gone from PATH while the runner was running")
    sized = _tmpfs_size_known()
    tmp = ["--size", str(TMP_BYTES)] if sized else []
    shm = ["--size", str(SHM_BYTES)] if sized else []
    return [
        *(bwrap, "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"),
        # As process 1 the worker is alone: bwrap's own first process would carry no system-call
        # filter, and anyone of its user could write into its memory.
        *(
            "--as-pid-1",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--hostname",
            "worker",
        ),
        *("--proc", "/proc", "--dev", "/dev", *shm, "--tmpfs", "/dev/shm"),  # noqa: S108
        *(*tmp, "--tmpfs", "/tmp"),  # noqa: S108
    ]


def _settings_read_only() -> list[str]:
    """Where the runner is root, a worker could set the kernel up: core_pattern names a program that
    the host's root runs. CUDA writes to its own part of /proc, so only these are closed."""
    paths = ("/proc/sys", "/proc/sysrq-trigger", "/proc/bus", "/proc/fs", "/proc/irq")
    return [word for p in paths if Path(p).exists() for word in ("--ro-bind", p, p)]


def _gpu_nodes() -> list[str]:
    """NVIDIA's device nodes, without those that set the GPU up."""
    names = [f"/dev/{path.name}" for path in Path("/dev").glob("nvidia[0-9]*")]
    names += ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
    return sorted(name for name in names if Path(name).exists())


def _binds(visible: Sequence[Path], shown: Sequence[str]) -> list[str]:
    arguments: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():  # merged /usr
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            arguments += ["--ro-bind", name, name]
    for name in _ETC:
        arguments += ["--ro-bind-try", name, name]
    folders = {*_prefixes(), *_outside_prefix(), *_compiler_prefix(), *visible}
    for folder in sorted(folders):
        if not folder.is_relative_to("/usr") or folder in visible:
            arguments += ["--ro-bind", str(folder), str(folder)]
    arguments += ["--ro-bind", str(_package_folder()), f"{_PACKAGE_AT}/runner", *shown]
    # The root itself is a tmpfs of bwrap's making, writable and without a limit until here.
    return [*arguments, "--remount-ro", "/"]


def interpreter() -> str:
    """This Python, absolute. Its last link is kept: it is what makes a virtual environment."""
    return os.path.normpath(sys.executable)


def _prefixes() -> set[Path]:
    """Where this Python and its packages lie, as named and as resolved.

    Started as `../venv/bin/python` a prefix has `..` in it, which is no mount point.
    """
    named = {Path(os.path.normpath(prefix)) for prefix in (sys.prefix, sys.base_prefix)}
    return named | {path.resolve() for path in named}


def _package_folder() -> Path:
    """The folder of the `runner` package: code alone, nothing of the checkout around it."""
    return Path(__file__).resolve().parent.parent


def _compiler_prefix() -> tuple[Path, ...]:
    """The folder of the C compiler that CC names, where it lies outside /usr.

    Never a home folder or what holds one: `~/bin/cc` would show the keys beside it.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return ()
    prefixes = {Path(compiler).parent.parent, Path(compiler).resolve().parent.parent}
    home = Path.home()
    return tuple(
        sorted(
            prefix
            for prefix in prefixes
            if not prefix.is_relative_to("/usr") and not home.is_relative_to(prefix)
        )
    )


@functools.cache
def _outside_prefix() -> tuple[Path, ...]:
    """Folders that hold torch, triton or numpy and lie outside this interpreter's prefix."""
    folders: set[Path] = set()
    for name in ("torch", "triton", "numpy"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise RunnerError(f"{name} is not installed: {INSTALL}")
        folder = Path(os.path.normpath(spec.origin)).parent.parent
        known = (*_prefixes(), Path("/usr"))
        if not any(folder.is_relative_to(prefix) for prefix in known):
            folders.add(folder)
    return tuple(sorted(folders))
