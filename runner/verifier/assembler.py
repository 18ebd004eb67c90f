"""Assembles the PTX of a candidate and reads back registers and spills, on the judge's side.

Owns the call of Triton's bundled ptxas, in the sandbox: the text is hostile, the tool and its
report are not. Torch-free.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.contract import sha256_hex
from runner.errors import RunnerError
from runner.verifier.sandbox import Sandbox

_REGISTERS = re.compile(r"Used (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
# "(C7511) Potential Performance Loss: … in the function 'k' in line 732": the place is in PTX.
_WARNING = re.compile(r"\((C\d+)\) (.+?)(?: in the function .*)?$", re.MULTILINE)
_ERROR = re.compile(r"(?:error|fatal)\s*:\s*(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What ptxas says of one kernel. `spill_bytes`: stores + loads, per thread."""

    registers: int
    spill_bytes: int
    warnings: tuple[str, ...]


class AssemblyFailed(Exception):
    """ptxas refuses the kernel. The message is its first complaint."""


class Assembler:
    """Runs ptxas, once for each distinct text."""

    def __init__(self, command: Sequence[str], sandbox: Sandbox) -> None:
        if not command:
            raise RunnerError(
                "Triton called no ptxas while it warmed up: is its version supported?"
            )
        self._command = tuple(command)
        self._sandbox = sandbox
        self._known: dict[str, Assembled] = {}

    def assemble(self, ptx: str, timeout_s: float) -> Assembled:
        """Assemble `ptx`. Raises AssemblyFailed, or TimeoutError after `timeout_s`."""
        digest = sha256_hex(ptx)
        if digest not in self._known:
            self._known[digest] = self._run(ptx, timeout_s)
        return self._known[digest]

    def _run(self, ptx: str, timeout_s: float) -> Assembled:
        with tempfile.TemporaryDirectory(prefix="kernelwright-") as name:
            folder = Path(name)
            source = folder / "kernel.ptx"
            source.write_text(ptx, encoding="utf-8")
            # Without a sandbox the output goes beside the source; inside, to the sandbox's /tmp.
            inside = self._sandbox.kind == "bubblewrap"
            output = "/tmp/kernel.cubin" if inside else str(folder / "kernel.cubin")  # noqa: S108
            command = self._sandbox.wrap(
                [*self._command, str(source), "-o", output], visible=[folder]
            )
            environment = self._sandbox.environment({}, folder)
            try:
                done = subprocess.run(
                    command, env=environment, capture_output=True, timeout=timeout_s, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise TimeoutError("ptxas ran out of time") from error
        report = (done.stderr + done.stdout).decode("utf-8", errors="replace")
        if done.returncode != 0:
            complaint = _ERROR.search(report)
            said = complaint[1] if complaint else f"exit status {done.returncode}"
            raise AssemblyFailed(f"ptxas: {said}"[:500])
        return read_report(report)


def read_report(report: str) -> Assembled:
    """What `ptxas -v` printed about one kernel. Raises AssemblyFailed when no kernel is there."""
    registers = _REGISTERS.search(report)
    spills = _SPILLS.search(report)
    if registers is None:
        raise AssemblyFailed(f"ptxas reports no kernel: {report[:200]!r}")
    warnings = dict.fromkeys(f"{code}: {text.strip()}" for code, text in _WARNING.findall(report))
    return Assembled(
        registers=int(registers[1]),
        spill_bytes=int(spills[1]) + int(spills[2]) if spills else 0,
        warnings=tuple(warnings),
    )
