"""Runs ptxas and the C compiler for workers that may start no process. Judge side; torch-free.

Owns what a worker may ask for: one of two tools, with Triton's own options. The text is hostile;
each tool runs in a sandbox without network, and what comes out is used in the worker's sandbox
alone. What ptxas reports of a kernel is read here, so no worker can make it up.
"""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.contract import sha256_hex
from runner.verifier.assembler import Assembled, AssemblyFailed, read_report
from runner.verifier.gpu import triton_cache
from runner.verifier.sandbox import Sandbox

_TOOL_TIMEOUT_S = 60.0
_MAX_OUTPUT_BYTES = 64 << 20
_KEPT = 256
# What Triton 3.4 to 3.9 pass to ptxas, and nothing else.
_PTXAS_OPTION = re.compile(
    r"-v|-lineinfo|-g|-suppress-debug-info|--fmad=(true|false)|--gpu-name=sm_\d+[af]?"
    r"|--opt-level|[0-4]|--regAllocOptLevel=\d|-O[0-4]"
)


class Toolchain:
    """One a verifier. Equal requests are answered from memory: launchers repeat all the time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._known: dict[str, dict[str, Any]] = {}
        self._commands: dict[str, list[str]] = {}
        self.reports: dict[str, Assembled] = {}  # by the digest of a kernel's PTX
        self.cache: Path | None = None  # what later workers begin with
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="kernelwright-")

    def learn(self, ready: Mapping[str, Any]) -> None:
        """Take command lines and compiled files from a worker that has met no foreign code yet."""
        for tool, command in ready["tools"].items():
            if command:
                self._commands.setdefault(tool, list(command))
        if self.cache is None and ready["triton_cache"]:
            triton_cache.save(ready["triton_cache"], Path(self._folder.name))
            self.cache = Path(self._folder.name)

    def apart(self) -> Toolchain:
        """Another one with the same command lines, that knows nothing of what was compiled here.

        It shares the cache of the workers' warm-up: close it before this one.
        """
        other = Toolchain(self._sandbox)
        other._commands = dict(self._commands)
        other.cache = self.cache
        return other

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._folder.cleanup()

    def serve(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a worker's request; `reports` keeps what the assembler said.

        Nothing that a worker asks raises: what is not allowed is answered as a tool's failure.
        """
        tool, source = request.get("tool"), request.get("source")
        options = request.get("options")
        if not isinstance(tool, str) or not isinstance(source, str) or tool not in self._commands:
            return _refused("there is no such tool")
        if not isinstance(options, list) or not all(
            isinstance(word, str) and _PTXAS_OPTION.fullmatch(word) for word in options
        ):
            return _refused(f"options that are not passed on: {options!s:.200}")
        if not source.isascii() and not _is_text(source):
            return _refused("the source is no text")
        key = sha256_hex("\0".join([tool, *options, source]))
        reply = self._known.get(key)
        if reply is None:
            reply = self._run(tool, options, source)
            with self._lock:  # workers of a tune ask at the same time
                while len(self._known) >= _KEPT:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = reply
        if tool == "ptxas" and reply["returncode"] == 0:
            with contextlib.suppress(AssemblyFailed):  # a text without a kernel assembles, too
                self.reports[sha256_hex(source)] = read_report(reply["said"])
        return reply

    def _run(self, tool: str, options: list[str], source: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="kernelwright-") as name:
            folder = Path(name)
            text = folder / ("kernel.ptx" if tool == "ptxas" else "launcher.c")
            text.write_text(source, encoding="utf-8")
            output = folder / "output"
            command = self._command(tool, options, text, output)
            wrapped = self._sandbox.wrap(command, writable=[folder])
            try:
                done = subprocess.run(
                    wrapped,
                    env=self._sandbox.environment({}, folder),
                    capture_output=True,
                    timeout=_TOOL_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return _refused(f"{tool} ran out of time")
            said = (done.stderr + done.stdout).decode("utf-8", errors="replace")[:100_000]
            if done.returncode != 0:
                return {"returncode": done.returncode, "said": said, "output": ""}
            if output.stat().st_size > _MAX_OUTPUT_BYTES:
                return _refused(f"{tool} made more than {_MAX_OUTPUT_BYTES} bytes")
            data = base64.b64encode(output.read_bytes()).decode()
        return {"returncode": 0, "said": said, "output": data}

    def _command(self, tool: str, options: list[str], text: Path, output: Path) -> list[str]:
        known = self._commands[tool]
        place = known.index("-o")
        if tool == "ptxas":
            return [known[0], *options, str(text), "-o", str(output)]
        # Triton's own line, with our files: `cc SOURCE -O3 … -o OUTPUT …`. What it makes hands
        # arguments over while the GPU spins (`clock`): unoptimised it is there sooner.
        command = [*known[:place], "-o", str(output), *known[place + 2 :]]
        command[1] = str(text)
        return ["-O0" if word == "-O3" else word for word in command]


def _is_text(source: str) -> bool:
    """JSON can carry half a character, which no encoding can."""
    try:
        source.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(reason: str) -> dict[str, Any]:
    return {"returncode": 1, "said": reason, "output": ""}
