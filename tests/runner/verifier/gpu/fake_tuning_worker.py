"""Workers of a tune that follow a script: right answers on the CPU, times by a table.

Owns no rule. `Script` says what each BLOCK does; what it was asked is written down.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from runner.verifier.arena import SharedMemory, Slot
from runner.verifier.process import WorkerFailed

Reply = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Script:
    """`faults`: what goes wrong, by BLOCK. `ms`: a call's time, by BLOCK and columns.

    `wrong_on_tests`: the BLOCKs that answer right on large rows only. `spills`: bytes, by BLOCK.
    """

    ms: dict[int, dict[int, float]]
    faults: dict[int, str] = field(default_factory=dict)
    wrong_on_tests: frozenset[int] = frozenset()
    log: list[tuple[int, str, int]] = field(default_factory=list)  # worker, op, BLOCK
    started: int = 0
    ended: int = 0

    def blocks(self, operation: str) -> list[int]:
        """The BLOCKs that were asked to do this, in order."""
        return [block for _, op, block in self.log if op == operation]


class FakeTuner:
    """One worker. Dead from its first failure on, as a real one is."""

    role = "cuda-candidate"

    def __init__(self, script: Script, arena: SharedMemory) -> None:
        self._script, self._arena = script, arena
        script.started += 1
        self._number = script.started
        self._block = 0
        self._living = True

    def alive(self) -> bool:
        return self._living

    def wait_ready(self) -> None:
        pass

    def kill(self) -> None:
        self._living = False

    def close(self) -> None:
        self._living = False
        self._script.ended += 1

    def ask(self, job: Reply, deadline: float) -> Reply:
        if not self._living:
            raise WorkerFailed("died", "it was ended by SIGKILL", "")
        operation = job["op"]
        if operation == "configure":
            self._block = job["config"]["BLOCK"]
            return {"ok": True}
        self._script.log.append((self._number, operation, self._block))
        fault = self._script.faults.get(self._block, "")
        if operation == "load":
            return {"ok": True}
        if fault == f"hangs in {operation}":
            self._living = False
            raise WorkerFailed("timeout", "it ran out of time", "")
        if operation == "burst":
            return self._burst(job)
        if fault == "shared":
            said = "out of resource: shared memory, Required: 300000"
            return {"ok": False, "stage": "compile", "type": "OutOfResources", "message": said}
        if fault == "compile":
            return {"ok": False, "stage": "compile", "type": "CompilationError", "message": "bad"}
        return self._call(job, fault)

    def _call(self, job: Reply, fault: str) -> Reply:
        inputs = [self._arena.tensor(Slot.from_json(row)) for row in job["inputs"]]
        output = torch.softmax(inputs[0].float(), -1).to(inputs[0].dtype)
        small = output.shape[1] < 1000
        if fault == "wrong" or (small and self._block in self._script.wrong_on_tests):
            output[-1] = 0
        row = {"type": "torch.Tensor", "dtype": "float16", "device": "cpu"}
        row |= {"shape": list(output.shape), "offset": job["outputs_at"]}
        slot = Slot(dtype="float16", shape=tuple(output.shape), offset=job["outputs_at"])
        self._arena.tensor(slot).copy_(output)
        kernels = [{"kernel": "k", "ptx_sha256": f"block {self._block}"}]
        reply = {"ok": True, "returned": "torch.Tensor", "several": False, "outputs": [row]}
        return {**reply, "kernels": kernels}

    def _burst(self, job: Reply) -> Reply:
        columns = job["inputs"][0][0]["shape"][1]
        time.sleep(1e-4)
        return {
            "ok": True,
            "times_ms": [self._script.ms[self._block][columns]] * len(job["inputs"]),
        }


class FreeGpu:
    """A lock that nobody else wants."""

    def checking(self) -> nullcontext[None]:
        return nullcontext()

    def timing(self) -> nullcontext[None]:
        return nullcontext()
