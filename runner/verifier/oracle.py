"""The truth about a problem: runs its reference, hostile too, in a sandboxed worker of its own.

Owns the cases, their inputs and the expected outputs, which never leave the judge; the checks of
the reference; and the gate that refuses a spec whose tests a degenerate answer would pass.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.errors import ReferenceFailed
from runner.problem import REFERENCE_FILE, Problem, TensorSpec
from runner.verifier.arena import Slot, end_of, lay_out, torch_dtype
from runner.verifier.finding import first_line
from runner.verifier.inputs import Case, make_inputs
from runner.verifier.numerics import Expected, compare, compute_noise, disturb, expect
from runner.verifier.process import WorkerFailed, WorkerProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCase:
    """One case with all that is needed to judge it. `outputs_at`: where outputs may begin."""

    case: Case
    inputs: dict[str, torch.Tensor]
    slots: tuple[Slot, ...]
    outputs_at: int
    expected: tuple[Expected, ...]


def arena_bytes(problem: Problem, cases: Sequence[Case], *, wide: bool) -> int:
    """What one call needs at most; `wide`: everything in float64. One spare MiB for layout."""

    def of(case: Case) -> int:
        rows = [
            ("float64" if wide else spec.dtype, spec.concrete_shape(case.workload))
            for spec in (*problem.inputs, *problem.outputs)
        ]
        return end_of(lay_out(rows))

    return max(of(case) for case in cases) + (1 << 20)


def prepare_cases(
    problem: Problem, cases: Sequence[Case], worker: WorkerProcess, timeout_s: float
) -> tuple[PreparedCase, ...]:
    """Run the reference on every case. Raises ReferenceFailed when the spec is at fault."""
    runner = _ReferenceRunner(problem, worker, time.monotonic() + timeout_s, timeout_s)
    runner.load()
    prepared = tuple(runner.prepare(case) for case in cases)
    _refuse_degenerate(problem, prepared)
    return prepared


class _ReferenceRunner:
    def __init__(
        self, problem: Problem, worker: WorkerProcess, deadline: float, timeout_s: float
    ) -> None:
        self._problem = problem
        self._worker = worker
        self._deadline = deadline
        self._timeout_s = timeout_s

    def load(self) -> None:
        job = {"op": "load", "source": self._problem.reference_text, "file": REFERENCE_FILE}
        self._ask({**job, "entry": self._problem.entry}, "while it was imported")

    def prepare(self, case: Case) -> PreparedCase:
        problem = self._problem
        inputs = make_inputs(problem, case)
        wide = {name: _widen(tensor) for name, tensor in inputs.items()}
        noise = max(compute_noise(torch_dtype(spec.dtype)) for spec in problem.outputs)
        generator = torch.Generator().manual_seed(case.seed ^ 1)
        noisy = {name: _disturb(tensor, noise, generator) for name, tensor in wide.items()}
        low = self._call(case, inputs, precise=False)
        for spec, value in zip(problem.outputs, low, strict=True):
            if value.dtype is not torch_dtype(spec.dtype):
                found = str(value.dtype).removeprefix("torch.")
                raise ReferenceFailed(
                    f"the reference returns {spec.name} as {found}; the spec says {spec.dtype}"
                )
        exact = self._call(case, wide, precise=True)
        disturbed = self._call(case, noisy, precise=True)
        rows = [(spec.dtype, spec.concrete_shape(case.workload)) for spec in problem.inputs]
        slots = lay_out(rows)
        return PreparedCase(
            case=case,
            inputs=inputs,
            slots=slots,
            outputs_at=slots[-1].next_offset,
            expected=tuple(map(expect, exact, low, disturbed)),
        )

    def _call(
        self, case: Case, inputs: dict[str, torch.Tensor], *, precise: bool
    ) -> list[torch.Tensor]:
        arena = self._worker.arena
        rows = [(str(t.dtype).removeprefix("torch."), tuple(t.shape)) for t in inputs.values()]
        slots = lay_out(rows)
        for slot, tensor in zip(slots, inputs.values(), strict=True):
            arena.tensor(slot).copy_(tensor)
        job = {
            "op": "call",
            "inputs": [slot.to_json() for slot in slots],
            "outputs_at": slots[-1].next_offset,
            "precise": precise,
            "seed": case.seed,
        }
        reply = self._ask(job, f"on {case}")
        return self._read(case, reply)

    def _read(self, case: Case, reply: dict[str, Any]) -> list[torch.Tensor]:
        specs = self._problem.outputs
        rows = reply.get("outputs")
        if not isinstance(rows, list) or len(rows) != len(specs):
            raise ReferenceFailed(
                f"the reference returns {reply.get('returned')!s:.60}; "
                f"the spec has {len(specs)} output(s)"
            )
        return [self._read_one(case, spec, row) for spec, row in zip(specs, rows, strict=True)]

    def _read_one(self, case: Case, spec: TensorSpec, row: Any) -> torch.Tensor:
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
            return self._worker.arena.tensor(Slot.from_json(row)).clone()
        except ValueError as error:
            raise ReferenceFailed(
                f"the reference returns {spec.name} unreadably: {error}"
            ) from error

    def _ask(self, job: dict[str, Any], when: str) -> dict[str, Any]:
        try:
            reply = self._worker.ask(job, self._deadline)
        except WorkerFailed as error:
            reason = error.reason
            if error.kind == "timeout":
                reason = f"it did not finish within {self._timeout_s:g} s"
            raise ReferenceFailed(f"the reference failed {when}: {reason}") from error
        if reply.get("ok") is not True:
            line = reply.get("line")
            place = f" (line {line})" if isinstance(line, int) else ""
            said = first_line(f"{reply.get('type')}: {reply.get('message')}")
            raise ReferenceFailed(f"the reference failed {when}: {said}{place}")
        return reply


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def _disturb(tensor: torch.Tensor, noise: float, generator: torch.Generator) -> torch.Tensor:
    return disturb(tensor, noise, generator) if tensor.is_floating_point() else tensor


def _refuse_degenerate(problem: Problem, prepared: Sequence[PreparedCase]) -> None:
    """Raise ReferenceFailed when an answer without any work would pass all cases."""
    for index, output in enumerate(problem.outputs):
        by_case = [_degenerate(case, index) for case in prepared]
        for what in by_case[0]:
            pairs = zip(prepared, by_case, strict=True)
            if all(_passes(answers[what], case, index, problem) for case, answers in pairs):
                raise ReferenceFailed(
                    f"the spec's tests cannot tell right from wrong: {what} would pass as "
                    f"{output.name} on every case; choose other test workloads or a lower tolerance"
                )


def _degenerate(case: PreparedCase, index: int) -> dict[str, torch.Tensor | None]:
    """Answers without any work for one output; None where a case has none of that kind."""
    low = case.expected[index].low
    answers: dict[str, torch.Tensor | None] = {
        "all zeros": torch.zeros_like(low),
        "one constant": _constant(low),
    }
    for name, tensor in case.inputs.items():
        same = tensor.shape == low.shape and tensor.dtype is low.dtype
        answers[f"a copy of {name}"] = tensor if same else None
    return answers


def _passes(answer: torch.Tensor | None, case: PreparedCase, index: int, problem: Problem) -> bool:
    if answer is None:
        return False
    return compare(answer, case.expected[index], problem.tolerance.multiplier).passed


def _constant(low: torch.Tensor) -> torch.Tensor:
    if low.numel() == 0:
        return low.clone()
    if low.dtype is torch.bool:
        return torch.ones_like(low)
    wide = low.to(torch.float64)
    mean = torch.where(wide.isfinite(), wide, 0.0).mean()
    return torch.full_like(low, float(mean) if low.is_floating_point() else round(float(mean)))
