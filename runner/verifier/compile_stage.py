"""Stage 2: does the candidate compile for the target, and what do its kernels cost?

Owns the judge's side of compilation: asks a worker for PTX at every workload, assembles it, and
checks what the GPU would refuse at launch.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.contract import Candidate, EvaluationStatus, KernelResources, Workload
from runner.problem import Problem
from runner.verifier.arena import Arena
from runner.verifier.assembler import Assembler, AssemblyFailed
from runner.verifier.finding import KERNEL_FILE, Finding, error_text, first_line, trim
from runner.verifier.inputs import NORMAL, Case
from runner.verifier.integrity import blocks_of
from runner.verifier.layouts import CONTIGUOUS, input_slots
from runner.verifier.modules.job import entry_job
from runner.verifier.process import WorkerFailed, WorkerProcess
from runner.verifier.resources import MAX_SHARED_BYTES

TARGET = "sm_90"
# CUDA C++ programming guide, technical specifications: blocks along x, y and z.
_MAX_GRID = (2**31 - 1, 65_535, 65_535)
_MAX_LAUNCHES = 64
# The compiler's own diagnostics, which it prints rather than raises.
_DIAGNOSTIC = re.compile(rf"{re.escape(KERNEL_FILE)}:(\d+):\d+: (?:error|remark): (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What compilation found. `kernels`, `blocks`: the names launched, and the blocks of code
    that the compiler took in, by workload.

    `crashed`: the process failed, and only the sweep can tell the compiler's fault from the
    candidate's own. `early`: the finding came before the first workload was compiled.
    """

    finding: Finding | None
    crashed: bool = False
    early: bool = False
    resources: tuple[KernelResources, ...] = ()
    kernels: Mapping[str, frozenset[str]]
    blocks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class CompileStage:
    """Compiles one candidate in one worker, at the spec's workloads and at those of `cases`.

    `first_done` is set once the first workload is compiled, and when the stage ends.
    """

    def __init__(
        self,
        problem: Problem,
        worker: WorkerProcess,
        assembler: Assembler,
        cases: Sequence[Case] = (),
    ) -> None:
        self._problem = problem
        if not isinstance(worker.arena, Arena):
            raise TypeError("a compile worker hands its PTX over in host memory")
        self._worker = worker
        self._arena = worker.arena
        self._assembler = assembler
        self._cases = tuple(cases)
        self._resources: list[KernelResources] = []
        self._kernels: dict[str, frozenset[str]] = {}
        self._blocks: dict[str, frozenset[str]] = {}
        self._notes: dict[str, None] = {}
        self._crashed = False
        self.first_done = threading.Event()

    def run(self, candidate: Candidate, deadline: float) -> Compiled:
        """Compile at every workload and layout, until one fails."""
        try:
            finding = self._run(candidate, deadline)
        finally:
            self.first_done.set()
        return Compiled(
            finding=finding,
            crashed=self._crashed,
            early=finding is not None and not self._kernels,
            resources=tuple(self._resources),
            kernels=self._kernels,
            blocks=self._blocks,
            notes=tuple(self._notes),
        )

    def _run(self, candidate: Candidate, deadline: float) -> Finding | None:
        job = {"op": "load", "file": KERNEL_FILE, "entry": entry_job(self._problem)}
        try:
            reply = self._worker.ask({**job, "source": candidate.source}, deadline)
            if reply.get("ok") is not True:
                return _host_error(reply, "while it was imported")
            for case in self._plan():
                finding = self._compile(case, deadline)
                if finding is not None:
                    return finding
                self.first_done.set()
        except WorkerFailed as error:
            self._crashed = error.kind != "timeout"
            return _worker_failed(error)
        except TimeoutError as error:
            return _finding(EvaluationStatus.TIMEOUT, f"compilation ran out of time: {error}")
        return None

    def _plan(self) -> list[Case]:
        """One case for each workload and layout: the spec's own first, held-out ones last."""
        named = [
            Case(workload=workload, distribution=NORMAL, seed=0)
            for workload in (*self._problem.tests, *self._problem.benchmarks)
        ]
        plan: dict[tuple[str, str], Case] = {}
        for case in (*named, *self._cases):
            plan.setdefault((str(case.workload), case.layout), case)
        return list(plan.values())

    def _compile(self, case: Case, deadline: float) -> Finding | None:
        workload = case.workload
        rows = [slot.to_json() for slot in input_slots(self._problem, case)]
        reply = self._worker.ask({"op": "compile", "inputs": rows}, deadline)
        if reply.get("ok") is not True:
            if reply.get("stage") == "compile":
                return self._compile_error(reply, workload)
            return _host_error(reply, f"for {workload}")
        kernels = reply.get("kernels")
        if not isinstance(kernels, list):
            raise WorkerFailed("garbage", "it reported no kernels", "")
        if len(kernels) > _MAX_LAUNCHES:
            return _finding(
                EvaluationStatus.RUNTIME_ERROR, f"more than {_MAX_LAUNCHES} launches for {workload}"
            )
        if not kernels and _something_due(self._problem, workload):
            return Finding(
                status=EvaluationStatus.CHEATED,
                stage="integrity",
                summary=f"it launches no Triton kernel for {workload}",
                detail="Every workload with an element to compute needs a kernel.",
            )
        names: set[str] = set()
        for row in kernels:
            finding = self._take(row, case, deadline)
            if finding is not None:
                return finding
            names.add(str(row["kernel"]))
        known = self._kernels.get(str(workload), frozenset())
        self._kernels[str(workload)] = known | names
        taken = self._blocks.get(str(workload), frozenset())
        self._blocks[str(workload)] = taken | blocks_of(reply)
        return None

    def _take(self, row: Any, case: Case, deadline: float) -> Finding | None:
        """Assemble one compiled kernel and check that the GPU could launch it."""
        workload = case.workload
        try:
            name, shared = first_line(str(row["kernel"]), 100), int(row["shared_bytes"])
            place, grid = row["ptx"], [int(size) for size in row["grid"]]
            ptx = self._arena.text(int(place["offset"]), int(place["size_bytes"]))
            warps, stages = int(row["num_warps"]), int(row["num_stages"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise WorkerFailed("garbage", f"it reported a kernel wrongly ({error})", "") from error
        if shared > MAX_SHARED_BYTES:
            return _finding(
                EvaluationStatus.COMPILE_ERROR,
                f"{name} needs {shared} bytes of shared memory a block for {workload}; "
                f"{TARGET} has {MAX_SHARED_BYTES}",
                "Use smaller blocks or fewer pipeline stages (num_stages).",
            )
        if len(grid) > 3 or any(s > limit for s, limit in zip(grid, _MAX_GRID, strict=False)):
            return _finding(
                EvaluationStatus.COMPILE_ERROR,
                f"the grid {grid} of {name} for {workload} is larger than a GPU takes: "
                f"at most {list(_MAX_GRID)}",
            )
        try:
            assembled = self._assembler.assemble(ptx, max(0.1, deadline - time.monotonic()))
        except AssemblyFailed as error:
            return _finding(EvaluationStatus.COMPILE_ERROR, f"{name} for {workload}: {error}")
        self._notes.update(dict.fromkeys(f"{name}: {text}" for text in assembled.warnings))
        if case.held_out or case.layout != CONTIGUOUS:
            return None  # drawn at random: kernels are compared by what the spec names
        self._resources.append(
            KernelResources(
                kernel=name,
                workload=workload,
                target=TARGET,
                registers=assembled.registers,
                spill_bytes=assembled.spill_bytes,
                shared_bytes=max(0, shared),
                num_warps=max(1, warps),
                num_stages=max(0, stages),
                grid=tuple(grid),
                launches=1,
            )
        )
        return None

    def _compile_error(self, reply: dict[str, Any], workload: Workload) -> Finding:
        summary, detail = error_text(reply)
        printed = diagnostics(self._worker.stderr_tail())
        if printed and "PassManager" in detail:
            # The exception only says that a pass failed; the reason was printed.
            summary = printed[0]
        lines = [detail, f"While compiling for {TARGET} with {workload}.", *printed[:8]]
        return _finding(EvaluationStatus.COMPILE_ERROR, first_line(summary), "\n".join(lines))


def _something_due(problem: Problem, workload: Workload) -> bool:
    return any(math.prod(spec.concrete_shape(workload)) for spec in problem.outputs)


def diagnostics(stderr: str) -> list[str]:
    """The compiler's printed messages about the candidate's lines, as `kernel.py:LINE: text`."""
    found = (f"{KERNEL_FILE}:{line}: {text.strip()}" for line, text in _DIAGNOSTIC.findall(stderr))
    return [first_line(text) for text in dict.fromkeys(found)]


def _host_error(reply: dict[str, Any], when: str) -> Finding:
    summary, detail = error_text(reply)
    return _finding(
        EvaluationStatus.RUNTIME_ERROR,
        summary,
        f"{detail}\nThe host code failed {when}, before any kernel ran.",
    )


def _worker_failed(error: WorkerFailed) -> Finding:
    if error.kind == "timeout":
        return _finding(EvaluationStatus.TIMEOUT, "compilation did not finish in time")
    printed = diagnostics(error.stderr)
    tail = trim("\n".join(error.stderr.splitlines()[-12:]), 2000)
    return _finding(
        EvaluationStatus.COMPILE_ERROR,
        printed[0] if printed else f"the compiler's process failed: {error.reason}",
        tail,
    )


def _finding(status: EvaluationStatus, summary: str, detail: str = "") -> Finding:
    return Finding(status=status, stage="compile", summary=summary, detail=detail)
