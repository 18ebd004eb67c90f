"""The baselines on a GPU: what a user would run instead, in the reference's worker.

Owns their loading, their first (compiling) call on every timed workload, and which of them can
run where. A baseline that fails is left out and said to be, never counted as slow.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from runner.contract import Workload
from runner.errors import ReferenceFailed
from runner.problem import Problem
from runner.verifier.arena import SharedMemory, lay_out
from runner.verifier.finding import first_line
from runner.verifier.gpu.timing import Runner
from runner.verifier.gpu.traffic import read_whole
from runner.verifier.inputs import NORMAL, Case, make_inputs
from runner.verifier.process import WorkerFailed, WorkerProcess
from runner.verifier.reference import Reference, TooLarge

TIMING_ARENA = 1  # of the reference's worker; its first is its own


class Baselines:
    """What a candidate is measured against, and the facts about the problem that need a GPU.

    `failed`: workload and name → why it is left out. `flops`: of the reference, by workload.
    `read_whole`: names of the inputs that every answer must read completely.
    """

    def __init__(
        self, problem: Problem, worker: WorkerProcess, arena: SharedMemory, timeout_s: float
    ) -> None:
        self._problem = problem
        self._worker = worker
        self._arena = arena
        self._timeout_s = timeout_s
        self.flops: dict[str, int] = {}
        self.read_whole: frozenset[str] = frozenset()
        self.failed: dict[tuple[str, str], str] = {}

    def prepare(self, workloads: Sequence[Workload], reference: Reference, seed: int) -> None:
        """Load and compile all baselines, and look at what the problem must read and compute.

        Raises ReferenceFailed when none can be loaded.
        """
        deadline = time.monotonic() + self._timeout_s
        job = {
            "op": "baselines",
            "names": list(self._problem.baselines),
            "source": self._problem.baseline_text,
        }
        reply = self._ask(job, deadline)
        if reply.get("ok") is not True:
            raise ReferenceFailed(f"the baselines failed: {_said(reply)}")
        for workload in workloads:
            rows = self._fill(workload)
            for name in self._problem.baselines:
                burst = {"op": "burst", "who": name, "arena": TIMING_ARENA, "inputs": [rows] * 2}
                reply = self._ask({**burst, "outputs_at": None}, deadline)
                if reply.get("ok") is not True:
                    self.failed[(str(workload), name)] = _said(reply)
            counting = {"op": "flops", "who": "entry", "arena": TIMING_ARENA, "inputs": [rows]}
            flops = self._ask(counting, deadline).get("flops")
            if isinstance(flops, int) and flops > 0:
                self.flops[str(workload)] = flops

        self.read_whole = self._read_whole(workloads, reference, seed)

    def _read_whole(
        self, workloads: Sequence[Workload], reference: Reference, seed: int
    ) -> frozenset[str]:
        """The inputs that are read whole at every timed size: a small table may be, a large not."""
        names = frozenset(spec.name for spec in self._problem.inputs)
        for workload in workloads:
            case = Case(workload=workload, distribution=NORMAL, seed=seed)
            reference.limit()
            try:
                names &= read_whole(self._problem, reference, case, self._arena.device)
            except TooLarge:
                return frozenset()
        return names

    def runners(self, workload: Workload) -> list[Runner]:
        """Those that can be timed on `workload`."""
        return [
            Runner(worker=self._worker, who=name, arena=TIMING_ARENA)
            for name in self._problem.baselines
            if (str(workload), name) not in self.failed
        ]

    def _fill(self, workload: Workload) -> list[dict[str, Any]]:
        case = Case(workload=workload, distribution=NORMAL, seed=1)
        values = make_inputs(self._problem, case, self._arena.device)
        rows = [(spec.dtype, spec.concrete_shape(workload)) for spec in self._problem.inputs]
        slots = lay_out(rows)
        for slot, spec in zip(slots, self._problem.inputs, strict=True):
            self._arena.tensor(slot).copy_(values[spec.name])
        torch.cuda.synchronize(self._arena.device)
        return [slot.to_json() for slot in slots]

    def _ask(self, job: dict[str, Any], deadline: float) -> dict[str, Any]:
        try:
            return self._worker.ask(job, deadline)
        except WorkerFailed as error:
            raise ReferenceFailed(f"the baselines failed: {error.reason}") from error


def _said(reply: dict[str, Any]) -> str:
    return first_line(f"{reply.get('type')}: {reply.get('message')}")
