"""Runs a problem's reference in its sandboxed worker, and reads what it returns.

Owns the checks of form and the sentences for a reference at fault. The reference is foreign code:
whatever it does is a ReferenceFailed, but for memory that this machine does not have.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from runner.errors import ReferenceFailed
from runner.problem import REFERENCE_FILE, Problem, TensorSpec
from runner.recipe import MODEL_CLASS
from runner.verifier.arena import Slot, dtype_name, lay_out, settle, torch_dtype
from runner.verifier.bytewise import same_bytes
from runner.verifier.evaluations import Place
from runner.verifier.finding import first_line
from runner.verifier.inputs import Case
from runner.verifier.memory import free_bytes, give_back_blocks, is_out_of_memory, ran_out
from runner.verifier.modules.job import build_job, call_seed, entry_job, kept_inputs
from runner.verifier.process import WorkerFailed, WorkerProcess

# What a call in float64 may want beside the arena: its outputs, and as much again on its way.
_ROOM_IN_ARENAS = 2


class TooLarge(Exception):
    """A workload needs more memory than this machine has. Carries `reason`, one clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reference:
    """The reference in its worker. Every call begins with `limit`."""

    def __init__(self, problem: Problem, worker: WorkerProcess, timeout_s: float) -> None:
        self._problem = problem
        self._worker = worker
        self._timeout_s = timeout_s
        self._deadline = 0.0
        self.limit()

    def limit(self) -> None:
        """From now on the reference has `timeout_s` again."""
        self._deadline = time.monotonic() + self._timeout_s

    def load(self) -> None:
        """Import it."""
        job = {"op": "load", "source": self._problem.reference_text, "file": REFERENCE_FILE}
        self._ask({**job, "entry": entry_job(self._problem, MODEL_CLASS)}, "while it was imported")

    def call(self, case: Case, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Copies of the outputs in the declared dtypes; the inputs must be left as they are."""
        kept = kept_inputs(self._problem)
        self._build(case)
        slots = self._fill(inputs, _copy, wide=False)
        outputs = self._call(case, slots, precise=False)
        for slot, (name, tensor) in zip(slots, inputs.items(), strict=True):
            if name in kept and not same_bytes(self._worker.arena.tensor(slot), tensor):
                raise ReferenceFailed(f"the reference changes its input {name}")
        for spec, value in zip(self._problem.outputs, outputs, strict=True):
            if value.dtype is not torch_dtype(spec.dtype):
                raise ReferenceFailed(
                    f"the reference returns {spec.name} as {dtype_name(value.dtype)}; "
                    f"the spec says {spec.dtype}"
                )
        return [value.clone() for value in outputs]

    def call_in_float64(
        self, case: Case, inputs: Mapping[str, torch.Tensor], place: Place
    ) -> list[torch.Tensor]:
        """The outputs in float64, for inputs that `place` puts into float64 views.

        They lie in the arena: valid until the next call.
        """
        self._build(case)
        outputs = self._call(case, self._fill(inputs, place, wide=True), precise=True)
        for spec, value in zip(self._problem.outputs, outputs, strict=True):
            due = torch_dtype(spec.dtype)
            if value.is_complex() or value.is_floating_point() != due.is_floating_point:
                raise ReferenceFailed(
                    f"the reference returns {spec.name} as {dtype_name(value.dtype)} for inputs "
                    f"in float64; the spec says {spec.dtype}"
                )
        return outputs

    def give_back(self, *, blocks_alone: bool = False) -> None:
        """Have its process return to the GPU what PyTorch keeps there without using it.

        `blocks_alone`: as `memory.give_back_blocks` does.
        """
        try:  # what it answers is its own business: what is free is measured
            self._worker.ask({"op": "give_back", "blocks_alone": blocks_alone}, self._deadline)
        except WorkerFailed as error:
            raise ReferenceFailed(
                f"the reference failed when it was idle: {error.reason}"
            ) from error

    def _make_room(self) -> None:
        """Where a GPU runs short: judge and reference each keep blocks of earlier calls, which
        the other cannot have. Small problems never come here, and keep theirs."""
        free = free_bytes(self._worker.arena.device)
        if free is not None and free < _ROOM_IN_ARENAS * self._worker.arena.size_bytes:
            give_back_blocks()
            self.give_back(blocks_alone=True)

    def wipe(self) -> None:
        """Leave no expected value in memory that is shared with a worker."""
        self._worker.arena.fill(0, self._worker.arena.size_bytes)

    def _build(self, case: Case) -> None:
        if self._problem.module is not None:
            self._ask(build_job(self._problem, case), "while its Model was made")

    def _fill(
        self, inputs: Mapping[str, torch.Tensor], place: Place, *, wide: bool
    ) -> tuple[Slot, ...]:
        rows = [
            (
                "float64" if wide and t.is_floating_point() else dtype_name(t.dtype),
                tuple(t.shape),
            )
            for t in inputs.values()
        ]
        slots = lay_out(rows)
        for slot, tensor in zip(slots, inputs.values(), strict=True):
            view = self._worker.arena.tensor(slot)
            (place if tensor.is_floating_point() else _copy)(tensor, view)
        return slots

    def _call(self, case: Case, slots: Sequence[Slot], *, precise: bool) -> list[torch.Tensor]:
        job = {
            "op": "call",
            "inputs": [slot.to_json() for slot in slots],
            "outputs_at": slots[-1].next_offset,
            "precise": precise,
            "seed": call_seed(self._problem, case),
        }
        settle(self._worker.arena.device)
        self._make_room()
        reply = self._ask(job, f"on {case}", held_out=case.held_out)
        self._make_room()
        specs, rows = self._problem.outputs, reply.get("outputs")
        if not isinstance(rows, list) or len(rows) != len(specs):
            raise ReferenceFailed(
                f"the reference returns {reply.get('returned')!s:.60}; "
                f"the spec has {len(specs)} output(s)"
            )
        return [self._read(case, spec, row) for spec, row in zip(specs, rows, strict=True)]

    def _read(self, case: Case, spec: TensorSpec, row: Any) -> torch.Tensor:
        shape = spec.concrete_shape(case.workload)
        if not isinstance(row, dict) or row.get("type") != "torch.Tensor":
            kind = row.get("type") if isinstance(row, dict) else row
            raise ReferenceFailed(
                f"the reference returns {kind!s:.60} for {spec.name}, not a tensor"
            )
        if row.get("shape") != list(shape):
            raise ReferenceFailed(
                f"on {case} the reference returns {spec.name} of shape {row.get('shape')!s:.80}; "
                f"the spec says {list(shape)}"
            )
        try:
            return self._worker.arena.tensor(Slot.from_json(row))
        except ValueError as error:
            raise ReferenceFailed(
                f"the reference returns {spec.name} unreadably: {error}"
            ) from error

    def _ask(self, job: dict[str, Any], when: str, *, held_out: bool = False) -> dict[str, Any]:
        try:
            reply = self._worker.ask(job, self._deadline)
        except WorkerFailed as error:
            reason = error.reason
            if error.kind == "timeout":
                reason = f"it did not finish within {self._timeout_s:g} s"
            raise ReferenceFailed(f"the reference failed {when}: {reason}") from error
        if reply.get("ok") is True:
            return reply
        kind, message = str(reply.get("type")), str(reply.get("message"))
        said = first_line(f"{kind}: {message}")
        if is_out_of_memory(kind, message):
            raise TooLarge(ran_out("the reference", said, self._worker.arena.device))
        line = reply.get("line")
        place = f" (line {line})" if isinstance(line, int) else ""
        advice = "; declare the range that the reference supports ([axes])" if held_out else ""
        drawn = ", sizes drawn from the declared ranges" if held_out else ""
        raise ReferenceFailed(f"the reference failed {when}{drawn}: {said}{place}{advice}")


def _copy(tensor: torch.Tensor, view: torch.Tensor) -> object:
    return view.copy_(tensor)
