"""Refuses a spec whose own tests cannot tell right from wrong, before a token is spent.

Owns the degenerate answers: no work at all (zeros, a constant, a copy of an input) and half
precision where the spec declares more. Runs nothing: the oracle hands over what has to be run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from runner.errors import ReferenceFailed
from runner.problem import Problem
from runner.verifier.arena import dtype_name, torch_dtype
from runner.verifier.bytewise import same_bytes
from runner.verifier.comparison import compare
from runner.verifier.numerics import Expected

HALVES = (torch.float16, torch.bfloat16)
_WIDE = (torch.float32, torch.float64)
_CONSTANT = "one constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A way to be wrong. `make`: None where a case has no such answer."""

    name: str
    half: bool = False
    make: Callable[[], torch.Tensor | None]


class SpecGate:
    """Takes the cases one by one; `refuse` then raises if an answer would have passed them all."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        # What passed every case so far, by output and name: (is half precision, and was ever
        # different from the rounded truth). None before the first case.
        self._alive: dict[tuple[int, str], tuple[bool, bool]] | None = None

    def halves(self) -> tuple[torch.dtype, ...]:
        """The types to which the next case's inputs should be rounded as well."""
        kinds = [torch_dtype(spec.dtype) for spec in self._problem.inputs]
        results = [torch_dtype(spec.dtype) for spec in self._problem.outputs]
        if not any(kind in _WIDE for kind in kinds) or not any(kind in _WIDE for kind in results):
            return ()
        if self._alive is None:
            return HALVES
        names = {name for _, name in self._alive}
        return tuple(half for half in HALVES if _from_rounded(half) in names)

    def take(
        self,
        inputs: Mapping[str, torch.Tensor],
        expected: Sequence[Expected],
        rounded: Iterable[tuple[torch.dtype, Sequence[torch.Tensor]]],
    ) -> None:
        """One case. `rounded`: the reference's float64 outputs for inputs rounded to each of
        `halves`, done with before the next are asked for: large ones lie in one place."""
        alive: dict[tuple[int, str], tuple[bool, bool]] = {}
        for index, truth in enumerate(expected):
            for answer in _answers(truth, inputs):
                self._try(index, truth, answer, alive)
        for half, outputs in rounded:
            for index, (truth, output) in enumerate(zip(expected, outputs, strict=True)):
                if truth.dtype in _WIDE:
                    make = partial(_round, output, truth.dtype, truth.dtype)
                    answer = _Answer(name=_from_rounded(half), half=True, make=make)
                    self._try(index, truth, answer, alive)
        self._alive = alive

    def _try(
        self,
        index: int,
        truth: Expected,
        answer: _Answer,
        alive: dict[tuple[int, str], tuple[bool, bool]],
    ) -> None:
        """Into `alive` with what passes this case as it passed those before."""
        key = (index, answer.name)
        if self._alive is not None and key not in self._alive:
            return
        tensor = answer.make()
        multiplier = self._problem.tolerance.multiplier
        if tensor is None or not compare(tensor, truth, multiplier).passed:
            return
        known = self._alive is not None and self._alive[key][1]
        # A constant is made from each case's own truth: of one element it is the truth.
        told = truth.exact.numel() > 1 if answer.name == _CONSTANT else False
        differs = known or told or not same_bytes(tensor, truth.exact.to(truth.dtype))
        alive[key] = (answer.half, differs)

    def refuse(self) -> None:
        """Raise ReferenceFailed when an answer at fault passed every case."""
        for (index, name), (half, differs) in (self._alive or {}).items():
            if (half or name == _CONSTANT) and not differs:
                continue  # the truth itself fits into half precision, or into one constant
            advice = (
                "lower the tolerance, or declare the dtypes that are meant"
                if half
                else "choose other test workloads or a lower tolerance"
            )
            raise ReferenceFailed(
                f"the spec's tests cannot tell right from wrong: {name} would pass as "
                f"{self._problem.outputs[index].name} on every case; {advice}"
            )


def _from_rounded(half: torch.dtype) -> str:
    return f"an answer from inputs rounded to {dtype_name(half)}"


def _answers(truth: Expected, inputs: Mapping[str, torch.Tensor]) -> Iterator[_Answer]:
    yield _Answer(name="all zeros", make=lambda: torch.zeros_like(truth.exact, dtype=truth.dtype))
    yield _Answer(name=_CONSTANT, make=lambda: _constant(truth))
    for name, tensor in inputs.items():
        fits = tensor.shape == truth.exact.shape and tensor.dtype is truth.dtype
        copy = tensor if fits else None
        yield _Answer(name=f"a copy of {name}", make=partial(_same, copy))
    if truth.dtype not in _WIDE:
        return
    for half in HALVES:
        name = f"an answer rounded to {dtype_name(half)}"
        yield _Answer(name=name, half=True, make=partial(_round, truth.exact, half, truth.dtype))


def _same(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return tensor


def _round(tensor: torch.Tensor, through: torch.dtype, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(through).to(dtype)


def _constant(truth: Expected) -> torch.Tensor:
    exact, dtype = truth.exact, truth.dtype
    if exact.numel() == 0 or dtype is torch.bool:
        return torch.ones_like(exact, dtype=dtype)
    mean = float(exact.nan_to_num(0.0, 0.0, 0.0).mean())
    value = mean if dtype.is_floating_point else round(mean)
    return torch.full_like(exact, value, dtype=dtype)
