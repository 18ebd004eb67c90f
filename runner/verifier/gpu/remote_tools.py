"""Lets Triton in a worker use its compilers although the worker may not start a process.

Owns the two places where Triton starts one: the assembler (ptxas) and the C compiler that builds
its launchers. Both become requests to the judge, who runs the tool in a sandbox of its own.
Worker side; installed before foreign code arrives.
"""

from __future__ import annotations

import base64
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import triton
from triton import knobs
from triton.backends.nvidia import compiler as nvidia
from triton.runtime import cache

Ask = Callable[[dict[str, Any]], dict[str, Any]]


class CommandLog:
    """Records the tools' command lines while Triton warms up, before foreign code arrives."""

    def __init__(self) -> None:
        self.ptxas: list[str] = []
        self.cc: list[str] = []
        self._run, self._check_call = subprocess.run, subprocess.check_call

    def __enter__(self) -> CommandLog:
        def run(command: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(command)
            return self._run(command, *args, **kwargs)

        def check_call(command: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(command)
            return self._check_call(command, *args, **kwargs)

        subprocess.run, subprocess.check_call = run, check_call  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run, subprocess.check_call = self._run, self._check_call

    def _note(self, command: Any) -> None:
        if not isinstance(command, list | tuple):
            return
        words = [str(word) for word in command]
        if "-o" not in words:
            return
        if Path(words[0]).name.startswith("ptxas"):
            self.ptxas = words
        elif "-shared" in words:
            self.cc = words


def install(ask: Ask) -> None:
    """From now on ptxas and the C compiler are asked for, not started."""
    shim = SimpleNamespace(**vars(subprocess))
    shim.run = _AskForPtxas(ask)
    nvidia.subprocess = shim
    knobs.build.impl = _AskForCompiler(ask)


def name_triton_by_version() -> None:
    """Triton names its cache entries by a digest of itself, some 300 MB read at every start.

    The cache here lives as long as a verifier: the version is name enough. Triton's own test
    runner sets the same function.
    """
    cache.triton_key = lambda: triton.__version__


class _AskForPtxas:
    """Stands for `subprocess.run` where Triton runs ptxas: same files, same error."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __call__(
        self, command: Sequence[str], *, check: bool = False, stderr: Any = None, **_: Any
    ) -> subprocess.CompletedProcess[bytes]:
        words = [str(word) for word in command]
        place = words.index("-o")
        source, output = Path(words[place - 1]), Path(words[place + 1])
        options = [*words[1 : place - 1], *words[place + 2 :]]
        reply = self._ask({"tool": "ptxas", "options": options, "source": source.read_text()})
        if stderr is not None and reply["said"]:
            # Triton opens this log for reading alone; its name leads to the same file.
            Path(stderr.name).write_text(reply["said"])
        if reply["returncode"] != 0:
            if check:
                raise subprocess.CalledProcessError(reply["returncode"], words)
        else:
            output.write_bytes(base64.b64decode(reply["output"]))
        return subprocess.CompletedProcess(words, reply["returncode"])


class _AskForCompiler:
    """Stands for Triton's build step: the path of the shared library made from `source`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __call__(self, name: str, source: str, folder: str, *_: Any, **__: Any) -> str:
        reply = self._ask({"tool": "cc", "options": [], "source": Path(source).read_text()})
        if reply["returncode"] != 0:
            raise RuntimeError(f"the C compiler refuses Triton's launcher: {reply['said'][:500]}")
        path = Path(folder) / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        path.write_bytes(base64.b64decode(reply["output"]))
        return str(path)
