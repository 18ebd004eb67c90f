"""NVIDIA's compute-sanitizer on a small workload of a kernel that passed: memcheck, racecheck.

Owns the command line, in the sandbox, and the reading of its report. Where the tool is not
installed the check is said to be missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from runner.contract import Candidate, Check, EvaluationStatus, Workload
from runner.problem import Problem, TensorSpec
from runner.verifier.finding import KERNEL_FILE, Finding, first_line, trim
from runner.verifier.gpu.traffic import smallest_workload
from runner.verifier.inputs import integer_range
from runner.verifier.modules.job import entry_job
from runner.verifier.process import role_environment
from runner.verifier.sandbox import Sandbox, interpreter

_TOOLS = ("memcheck", "racecheck")
_MAX_REPORT_BYTES = 1 << 20
_FOUND = 9  # the exit status that the tool is told to use for findings
_CUDA_HOME = Path("/usr/local/cuda/bin/compute-sanitizer")
_COMPLAINT = re.compile(r"=+ +((?:Invalid|Error|Warning|Race|Misaligned|Uninitialized).*)")
_LINE = re.compile(rf"{re.escape(KERNEL_FILE)}:(\d+)")


def sanitizer_path() -> str | None:
    """Where compute-sanitizer is, or None."""
    found = shutil.which("compute-sanitizer")
    return found or (str(_CUDA_HOME) if _CUDA_HOME.exists() else None)


def sanitize(
    problem: Problem, candidate: Candidate, sandbox: Sandbox, timeout_s: float
) -> tuple[Finding | None, tuple[Check, ...]]:
    """What the tools complain about, or the checks that they passed. Some 6 s for each tool."""
    tool = sanitizer_path()
    if tool is None:
        return None, (Check(name="compute-sanitizer", detail="not installed: not run"),)
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="kernelwright-") as name:
        folder = Path(name)
        (folder / KERNEL_FILE).write_text(candidate.source, encoding="utf-8")
        (folder / "job.json").write_text(json.dumps(_job(problem)))
        for kind in _TOOLS:
            try:
                done = _run([tool, "--tool", kind], folder, sandbox, timeout_s)
            except subprocess.TimeoutExpired:
                checks.append(Check(name=kind, detail=f"did not finish within {timeout_s:g} s"))
                continue
            status, text = done
            report = trim(text, 20_000)
            if status == _FOUND:
                return _complaint(kind, report), tuple(checks)
            if status == 0:
                checks.append(Check(name=kind, detail="compute-sanitizer found nothing"))
            else:
                last = first_line("\n".join(reversed(report.splitlines())))
                checks.append(Check(name=kind, detail=f"could not be run here: {last}"))
    return None, tuple(checks)


def _run(command: list[str], folder: Path, sandbox: Sandbox, timeout_s: float) -> tuple[int, str]:
    """Exit status and the beginning of what was printed, which is foreign and may be endless."""
    python = [interpreter(), "-P", "-s", "-m", "runner.verifier.gpu.sanitized", str(folder)]
    toolkit = Path(command[0]).resolve().parent.parent
    # Never a home folder or what holds one: `~/bin` has the operator's keys beside it.
    shown = [] if Path.home().is_relative_to(toolkit) else [toolkit]
    wrapped = sandbox.wrap(
        [*command, "--error-exitcode", str(_FOUND), "--print-limit", "3", *python],
        gpu=True,
        visible=[folder, *shown],
    )
    # Without a caching allocator every tensor is an allocation of its own, with bounds.
    extra = {**role_environment("cuda-candidate"), "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    environment = sandbox.environment(extra, folder)
    # A file, which the watched program may not make large: a pipe could be flooded, or kept open.
    with tempfile.TemporaryFile() as printed:
        done = subprocess.run(
            wrapped,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
        text = os.pread(printed.fileno(), _MAX_REPORT_BYTES, 0)
    return done.returncode, text.decode("utf-8", errors="replace")


def _job(problem: Problem) -> dict[str, object]:
    """The smallest test workload: a tool that watches every access is slow."""
    workload = smallest_workload(problem)
    return {
        "entry": entry_job(problem),
        "inputs": [
            {
                "dtype": spec.dtype,
                "shape": list(spec.concrete_shape(workload)),
                "bounds": _bounds(problem, spec, workload),
            }
            for spec in problem.inputs
        ],
    }


def _bounds(problem: Problem, spec: TensorSpec, workload: Workload) -> list[int]:
    """[low, high) of what is no float; of an index that nobody declared only 0 is certain."""
    if "int" not in spec.dtype:
        return [0, 2]
    if problem.module is not None and spec.high is None:
        return [0, 1]
    return list(integer_range(spec, workload))


def _complaint(kind: str, report: str) -> Finding:
    said = _COMPLAINT.search(report)
    line = _LINE.search(report)
    place = f"{KERNEL_FILE}:{line[1]}: " if line else ""
    what = first_line(said[1]) if said else "it reports an error"
    return Finding(
        status=EvaluationStatus.RUNTIME_ERROR,
        stage="sanitizer",
        summary=f"{place}compute-sanitizer {kind}: {what}",
        detail=trim(report, 3000),
    )
