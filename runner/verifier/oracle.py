"""The truth about a problem: the cases, their inputs and the expected outputs, made when asked for.

Owns what is kept of it, which never leaves the judge, and the order in which a reference is
checked. The reference itself runs in a sandboxed worker of its own (`reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch

from runner.errors import ReferenceFailed
from runner.problem import Problem
from runner.verifier.arena import end_of, lay_out
from runner.verifier.bytewise import same_bytes
from runner.verifier.evaluations import expect_outputs
from runner.verifier.inputs import Case, make_inputs
from runner.verifier.layouts import SECOND_START, behind, input_slots
from runner.verifier.memory import give_back, is_out_of_memory, ran_out
from runner.verifier.modules.values import fixed_parameters, is_optional
from runner.verifier.numerics import Expected
from runner.verifier.process import WorkerProcess
from runner.verifier.reference import Reference, TooLarge
from runner.verifier.spec_gate import SpecGate

_SPARE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCase:
    """One case with all that is needed to judge it.

    `inputs` are the judge's own copies, contiguous, on the device where the case is run.
    """

    case: Case
    inputs: dict[str, torch.Tensor]
    expected: tuple[Expected, ...]

    @property
    def size_bytes(self) -> int:
        """Of the memory held."""
        inputs = sum(tensor.nbytes for tensor in self.inputs.values())
        return inputs + sum(expected.size_bytes for expected in self.expected)


def arena_bytes(problem: Problem, cases: Sequence[Case], *, wide: bool) -> int:
    """What one call needs at most; `wide`: everything in float64. One spare MiB for layout."""

    def of(case: Case) -> int:
        specs = problem.outputs if not wide else problem.inputs + problem.outputs
        rows = [
            ("float64" if wide else spec.dtype, spec.concrete_shape(case.workload))
            for spec in specs
        ]
        start = 0 if wide else behind(input_slots(problem, case, SECOND_START))
        return end_of(lay_out(rows, start))

    return max(of(case) for case in cases) + _SPARE_BYTES


class Oracle:
    """Expected outputs of `cases`, from the reference in `worker`, which its maker retires.

    The smallest case comes first. `prepare` goes through all of them once; after it, what fits
    into `keep_bytes` is kept, the rest is made again by each `case`. `timeout_s` bounds `prepare`
    and each later `case`.
    """

    def __init__(
        self,
        problem: Problem,
        cases: Sequence[Case],
        worker: WorkerProcess,
        *,
        timeout_s: float,
        keep_bytes: int,
    ) -> None:
        self.cases = tuple(cases)
        self.too_large: dict[str, str] = {}
        self.fixed: frozenset[str] = frozenset()  # parameters that no seed makes differ
        self._problem = problem
        self._device = worker.arena.device
        self.reference = Reference(problem, worker, timeout_s)
        self._keep_bytes = keep_bytes
        self._kept: dict[tuple[str, int], PreparedCase] = {}
        self._prepared = False
        self._checked_twice = False

    def prepare(self) -> None:
        """Check the reference on every case, and the spec. Raises ReferenceFailed. Done once.

        Workloads that this machine has no memory for leave `cases`; `too_large` says why.
        """
        if self._prepared:
            return
        _check_library_ops(self._problem)
        self.reference.limit()
        self.reference.load()
        gate = SpecGate(self._problem)
        undefined: set[tuple[str, int]] = set()
        for case in self.cases:
            if str(case.workload) in self.too_large:
                continue
            try:
                if not self._insist(partial(self._check, case, gate)):
                    undefined.add(_key(case))
            except TooLarge as error:
                self.too_large[str(case.workload)] = error.reason
        self.cases = tuple(
            case
            for case in self.cases
            if str(case.workload) not in self.too_large and _key(case) not in undefined
        )
        if not self.cases:
            name, reason = next(iter(self.too_large.items()))
            raise ReferenceFailed(
                f"every workload is too large for this machine, {name} for example: {reason}"
            )
        gate.refuse()
        keys = {_key(case) for case in self.cases}
        self._kept = {key: kept for key, kept in self._kept.items() if key in keys}
        self._prepared = True
        self.reference.limit()
        self.give_back()

    def _insist(self, check: Callable[[], bool]) -> bool:
        """What `check` says; asked once more where memory ran out. Raises TooLarge."""
        try:
            with _memory_errors(self._device), self._wiping():
                return check()
        except TooLarge:
            if self._device.type == "cpu":
                raise
        # Of the two processes each keeps blocks that it has no use for now: the other may.
        self.give_back()
        with _memory_errors(self._device), self._wiping():
            return check()

    def _check(self, case: Case, gate: SpecGate) -> bool:
        """Take one case up, unless it is one that the problem may leave undefined, and does."""
        prepared = self._make(case, make_inputs(self._problem, case, self._device))
        if is_optional(case) and not _all_finite(prepared):
            return False
        if not self._checked_twice:
            self.fixed = fixed_parameters(self._problem, case, self._device)
            self._run_again(prepared)
            self._checked_twice = True
        gate.take(prepared.inputs, prepared.expected, self._rounded(prepared, gate))
        self._keep(prepared)
        return True

    def case(self, index: int) -> PreparedCase:
        """Case number `index` of `cases`, after `prepare`. Raises ReferenceFailed."""
        case = self.cases[index]
        known = self._kept.get(_key(case))
        if known is not None:
            return known
        prepared = self.expect_of(case)
        self._keep(prepared)
        return prepared

    def expect_of(self, case: Case, inputs: dict[str, torch.Tensor] | None = None) -> PreparedCase:
        """The truth for a case, or for other `inputs` of its form; nothing is kept.

        Raises ReferenceFailed.
        """
        self.reference.limit()
        try:
            with _memory_errors(self._device), self._wiping():
                return self._make(case, inputs or make_inputs(self._problem, case, self._device))
        except TooLarge as error:
            raise ReferenceFailed(f"on {case}: {error.reason}") from error

    @property
    def fixed_states(self) -> frozenset[str]:
        """The fixed parameters by their names in the reference's state."""
        rows = self._problem.inputs
        return frozenset(row.state for row in rows if row.name in self.fixed and row.state)

    def give_back(self) -> None:
        """Return to the GPU what judge and reference keep of it without using it: a candidate and
        other judges have their share of the same memory. Never while something is timed."""
        if self._device.type != "cpu":
            give_back()
            self.reference.give_back()

    def close(self) -> None:
        """Give back what is kept; a later `case` makes it again."""
        self._kept.clear()
        if self._device.type != "cpu":
            give_back()

    def _keep(self, prepared: PreparedCase) -> None:
        held = sum(kept.size_bytes for kept in self._kept.values())
        if held + prepared.size_bytes <= self._keep_bytes:
            self._kept[_key(prepared.case)] = prepared

    def _make(self, case: Case, inputs: dict[str, torch.Tensor]) -> PreparedCase:
        expected = expect_outputs(
            self._problem,
            inputs,
            torch.Generator(self._device).manual_seed(case.seed ^ 1),
            low=partial(self.reference.call, case),
            wide=partial(self.reference.call_in_float64, case),
        )
        return PreparedCase(case=case, inputs=inputs, expected=expected)

    def _run_again(self, prepared: PreparedCase) -> None:
        """An answer that changes from call to call, or with the seed, is nobody's to match.

        A module may draw numbers from PyTorch's generator: under one seed they are the same.
        """
        again = replace(
            prepared.case,
            seed=prepared.case.seed ^ (2 if self._problem.module is None else 0),
        )
        seeded = "" if self._problem.module is None else " under the same seed"
        once = self.reference.call(prepared.case, prepared.inputs)
        twice = self.reference.call(again, prepared.inputs)
        for spec, one, other in zip(self._problem.outputs, once, twice, strict=True):
            if not same_bytes(one, other):
                raise ReferenceFailed(
                    f"the reference is not deterministic: {spec.name} differs between two calls "
                    f"with the same inputs{seeded}, on {prepared.case}"
                )

    def _rounded(
        self, prepared: PreparedCase, gate: SpecGate
    ) -> Iterator[tuple[torch.dtype, list[torch.Tensor]]]:
        """What the reference says of inputs rounded to half precision, where the gate asks."""
        for half in gate.halves():
            place = partial(_round, half=half)
            yield half, self.reference.call_in_float64(prepared.case, prepared.inputs, place)

    @contextmanager
    def _wiping(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.reference.wipe()


def _all_finite(prepared: PreparedCase) -> bool:
    return all(bool(expected.exact.isfinite().all()) for expected in prepared.expected)


def _key(case: Case) -> tuple[str, int]:
    return str(case), case.seed


@contextmanager
def _memory_errors(device: torch.device) -> Iterator[None]:
    """The judge's own memory may run out as well."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(type(error).__name__, str(error)):
            raise
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise TooLarge(ran_out("the judge", said, device)) from error


def _check_library_ops(problem: Problem) -> None:
    unknown = [name for name in problem.library_ops if not hasattr(torch.ops.aten, name)]
    if unknown:
        raise ReferenceFailed(f"library_ops names no operator of PyTorch: {', '.join(unknown)}")


def _round(tensor: torch.Tensor, view: torch.Tensor, *, half: torch.dtype) -> object:
    # Inputs that are half already stay as they are; so do integers, which never come here.
    return view.copy_(tensor.to(half) if tensor.dtype.itemsize > half.itemsize else tensor)
