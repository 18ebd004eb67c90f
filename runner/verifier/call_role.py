"""The worker role that runs an entry function on tensors: the candidate's, or the reference's.

Owns the call, the copy of its outputs into the arena and their honest description. The reference
may be asked to run in float64 throughout, whatever it casts to by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from runner.verifier.arena import SharedMemory, Slot, dtype_name, settle
from runner.verifier.foreign import ForeignCode
from runner.verifier.guard import GuardedAllocations
from runner.verifier.modules.entry import ModuleEntry
from runner.verifier.precise import call_in_float64


class CallRole:
    """Serves `load` once, then any number of `configure`, `build` and `call` jobs.

    Or one `describe`, of a problem file.
    """

    def __init__(self, arena: SharedMemory, tracer: Any = None) -> None:
        self._arena = arena
        self.code: ForeignCode | None = None
        self.entry: Callable[..., Any] | None = None
        self._tracer = tracer
        self._guard = GuardedAllocations()
        # Unwritten memory is NaN, or the largest integer: an element that nobody wrote shows.
        torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
        set_deterministic(True)

    def handle(self, job: dict[str, Any]) -> dict[str, Any]:
        try:
            if job["op"] == "load":
                self.code = ForeignCode(job["source"], job["file"])
                self.entry = self.code.load(job["entry"])
                return {"ok": True}
            if job["op"] == "describe":
                return self._describe_file(job)
            if job["op"] == "build":
                return self._build(job)
            if job["op"] == "configure":
                return self._configure(job["config"])
            return self._call(job)
        except BaseException as error:  # the edge: foreign code raises anything
            if self.code is None:
                raise
            return self.code.describe(error)

    def _describe_file(self, job: dict[str, Any]) -> dict[str, Any]:
        """What a problem file of `runner.suites` asks for, without computing it."""
        from runner.verifier.modules.describe import describe

        self.code = ForeignCode(job["source"], job["file"])
        return {"ok": True, **describe(self.code.run())}

    def _build(self, job: dict[str, Any]) -> dict[str, Any]:
        """Make the module of a class before it is called, and before its inputs are there."""
        if not isinstance(self.entry, ModuleEntry):
            raise RuntimeError("build without a class")  # noqa: TRY004 - an order of jobs
        made = self.entry.build(
            job["seed"], self._arena.device, draws=job["draws"], fixed=job["fixed"]
        )
        return {"ok": True, "binding": made}

    def _configure(self, config: dict[str, Any]) -> dict[str, Any]:
        """Give the module's CONFIG another value (`runner.tune`): for ranking, never a verdict."""
        if self.code is None or self.code.module is None:
            raise RuntimeError("configure before load")
        vars(self.code.module)["CONFIG"] = config
        return {"ok": True}

    def _call(self, job: dict[str, Any]) -> dict[str, Any]:
        entry = self.entry
        if entry is None:
            raise RuntimeError("call before load")
        inputs = [self._arena.tensor(Slot.from_json(row)) for row in job["inputs"]]
        facts: dict[str, Any] = {}
        lying = [_lie(tensor) for tensor in inputs]
        if isinstance(entry, ModuleEntry):
            entry.match(inputs)
        torch.manual_seed(job["seed"])
        if self._tracer is not None:
            idle = job.get("idle") is True
            with self._tracer.idle() if idle else nullcontext():
                returned, facts = self._call_guarded(lambda: entry(*inputs), job["seed"])
        elif job["precise"]:
            returned = call_in_float64(entry, inputs)
        else:
            returned = entry(*inputs)
        if isinstance(entry, ModuleEntry):
            facts["unmatched"] = entry.unmatched()
        # The memory stays as it is where a tensor is only pointed elsewhere; its owner's does not.
        facts["moved"] = [n for n, due in enumerate(lying) if _lie(inputs[n]) != due]
        return {"ok": True, **self.hand_over(returned, job["outputs_at"]), **facts}

    def _call_guarded(self, call: Callable[[], Any], seed: int) -> tuple[Any, dict[str, Any]]:
        """Call with everything traced and every allocation between bands of poison."""
        guard = self._guard
        try:
            with guard:
                returned, facts = self._tracer.run(call, seed)
            settle(self._arena.device)
            return returned, {**facts, "overruns": guard.overruns()}
        finally:
            guard.release()

    def hand_over(self, returned: Any, start: int) -> dict[str, Any]:
        """Copy the outputs into the arena from `start`; describe what cannot be copied."""
        several = type(returned) in (tuple, list)
        rows: list[dict[str, Any]] = []
        offset = start
        for value in returned if several else [returned]:
            row: dict[str, Any] = {"type": _type_name(value)}
            if isinstance(value, torch.Tensor):
                row |= {"dtype": dtype_name(value.dtype), "device": value.device.type}
                row["shape"] = list(value.shape)
            if type(value) is torch.Tensor and value.device == self._arena.device:
                slot = Slot(dtype=row["dtype"], shape=tuple(value.shape), offset=offset)
                if slot.offset + slot.size_bytes <= self._arena.size_bytes:
                    self._arena.tensor(slot).copy_(value.detach())
                    row["offset"] = slot.offset
                    offset = slot.next_offset
            rows.append(row)
        return {"returned": _type_name(returned), "several": several, "outputs": rows}


def set_deterministic(on: bool) -> None:
    """`torch.use_deterministic_algorithms(on, warn_only=True)`, which would import the compiler
    for the sake of one of its settings: 3 s of a worker's start."""
    torch._C._set_deterministic_algorithms(on, warn_only=True)


def _lie(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tuple(tensor.stride())


def _type_name(value: Any) -> str:
    kind = type(value)
    return "torch.Tensor" if kind is torch.Tensor else kind.__qualname__
