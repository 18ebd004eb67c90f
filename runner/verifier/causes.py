"""What wrong elements have in common, and the likely cause of it. Pure functions on tensors.

Owns the explanations: another answer that fits the found numbers better than the expected ones do.
A cause is named only when it explains nearly all of the wrong elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from runner.verifier.numerics import Expected

_FEW = 4  # fewer wrong elements than this show no pattern
_EXPLAINED = 0.95  # of the wrong elements
_CLOSER = 0.05  # of the error that the expected values leave
_MAX_ELEMENTS = 16 << 20  # other answers are whole tensors, made one after another
# RMS of the relative error after one or two roundings to so many bits, with room either side:
# 2^-11 / sqrt(3) = 2.8e-4 for one rounding to float16 or TF32, eight times that for bfloat16.
_HALF = ((1e-4, 9e-4, "float16 or TF32, 11 bits"), (9e-4, 7e-3, "bfloat16, 8 bits"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A wrong output: `places` are flat indices of (some of) its wrong elements."""

    found: torch.Tensor
    expected: Expected
    places: torch.Tensor
    others: Mapping[str, torch.Tensor]


def find_causes(sample: Sample, axes: Sequence[str | int]) -> list[str]:
    """Lines about what the wrong elements have in common; the likeliest cause only."""
    bad = sample.found.flatten()[sample.places].to(torch.float64)
    truth = sample.expected.exact.flatten()[sample.places]
    nan = int(bad.isnan().sum())
    if nan == bad.numel():
        return [
            "all wrong elements are NaN: never written, or computed from memory outside an input "
            "(a load without mask or `other`)"
        ]
    lines = [f"{nan} of the wrong elements are NaN"] if nan else []
    if nan:
        lines[0] += ": memory outside an input is NaN here, so look at the masks of loads"
    infinite = int(bad.isinf().sum())
    if infinite:
        lines.append(f"{infinite} of the wrong elements are infinite")
    usable = bad.isfinite() & truth.isfinite()
    if int(usable.sum()) < _FEW:
        return lines
    bad, truth = bad[usable], truth[usable]
    cause = (
        _constant(bad)
        or _other_answer(sample, axes, usable)
        or _scaled(bad, truth)
        or _shifted(bad, truth)
        or _half_precision(bad, truth, sample)
    )
    return [*lines, cause] if cause else lines


def _constant(bad: torch.Tensor) -> str | None:
    if bool((bad == 0).all()):
        return "all wrong elements are 0: written before anything was computed, or masked out"
    if bool((bad == bad[0]).all()):
        return f"all wrong elements are the same number, {float(bad[0]):.6g}"
    return None


def _scaled(bad: torch.Tensor, truth: torch.Tensor) -> str | None:
    live = truth != 0
    if int(live.sum()) < _FEW:
        return None
    ratio = bad[live] / truth[live]
    middle = float(ratio.median())
    spread = float((ratio - middle).abs().median())
    if spread < 1e-3 * abs(middle) and abs(middle - 1) > 1e-2:
        return f"found is about {middle:.4g} times expected: a factor is missing or too many"
    return None


def _shifted(bad: torch.Tensor, truth: torch.Tensor) -> str | None:
    difference = bad - truth
    middle = float(difference.median())
    spread = float((difference - middle).abs().median())
    if middle and spread < 1e-3 * abs(middle):
        return f"found is expected {middle:+.4g} everywhere: a term is missing or too many"
    return None


def _half_precision(bad: torch.Tensor, truth: torch.Tensor, sample: Sample) -> str | None:
    """Only where the output is declared wider, and errors are all over it."""
    if sample.expected.dtype not in (torch.float32, torch.float64):
        return None
    if 2 * sample.places.numel() < min(sample.expected.exact.numel(), _MAX_ELEMENTS):
        return None
    relative = float((bad - truth).square().mean().sqrt() / truth.square().mean().sqrt())
    for low, high, bits in _HALF:
        if low <= relative < high:
            return (
                f"the error is about {relative:.2g} of the values, all over: as if computed in "
                f"half precision ({bits}); the dtypes declared ask for more"
            )
    return None


def _other_answer(sample: Sample, axes: Sequence[str | int], usable: torch.Tensor) -> str | None:
    """A known mistake that gives the found numbers."""
    if sample.expected.exact.numel() > _MAX_ELEMENTS:
        return None
    places = sample.places[usable]
    bad = sample.found.flatten()[places].to(torch.float64)
    truth = sample.expected.exact.flatten()[places]
    for words, answer in _answers(sample, axes):
        explained = (bad - answer.flatten()[places]).abs() <= _CLOSER * (bad - truth).abs()
        if float(explained.to(torch.float64).mean()) >= _EXPLAINED:
            return words
    return None


def _answers(sample: Sample, axes: Sequence[str | int]) -> Iterator[tuple[str, torch.Tensor]]:
    exact = sample.expected.exact
    if exact.dim() > 1 and min(exact.shape[-2:]) > 1:
        yield (
            "found is the transpose of expected: the last two axes are swapped",
            exact.transpose(-1, -2).reshape(exact.shape),
        )
    for output, other in sample.others.items():
        if other.shape == exact.shape:
            yield f"found is what output {output} should be: two outputs are swapped", other
    for dim, name in enumerate(axes):
        if exact.shape[dim] < 3:
            continue
        axis = f"axis {dim} ({name})" if isinstance(name, str) else f"axis {dim}"
        for step, side in ((1, "before"), (-1, "after")):
            yield (
                f"each wrong element is the expected one just {side} it along {axis}: "
                "an index is off by one",
                exact.roll(step, dim),
            )
