"""Says in words where an output is wrong and what that suggests. Pure functions on tensors.

Owns the clues: which part of which axis, what the wrong elements have in common. A clue is given
only when the numbers show it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from runner.verifier.comparison import Comparison, wrong_mask
from runner.verifier.numerics import Expected

_TILES = (256, 128, 64, 32, 16)


def describe_difference(
    found: torch.Tensor, expected: Expected, comparison: Comparison, axes: Sequence[str | int]
) -> list[str]:
    """Lines about one wrong output: how much, where, expected and found, likely causes.

    `axes` are the spec's names (or sizes) of the output's dimensions.
    """
    count, total = comparison.wrong_elements, comparison.elements
    if count == 0:
        return [
            f"every element is within its own budget, but the errors together are too large: "
            f"RMS error {comparison.rms_error:.3g}, budget {comparison.rms_budget:.3g}"
        ]
    share = "every element" if count == total else f"{count} of {total} elements"
    lines = [f"{share} wrong ({100 * count / total:.3g} %)"]
    wrong = wrong_mask(found, expected, comparison.multiplier)
    lines += _where(wrong, axes)
    first = tuple(int(i) for i in wrong.nonzero()[0])
    indices = dict.fromkeys([first, *([comparison.worst_index] if comparison.worst_index else [])])
    for index in indices:
        name = "first" if index == first else "worst"
        lines.append(
            f"{name} at {list(index)}: expected {float(expected.exact[index]):.6g}, "
            f"found {float(found[index].to(torch.float64)):.6g}"
        )
    if comparison.max_error is not None:
        lines.append(
            f"largest error {comparison.max_error:.3g}, budget there {comparison.max_budget:.3g}"
        )
    return lines + _causes(found.to(torch.float64), expected.exact, wrong)


def _where(wrong: torch.Tensor, axes: Sequence[str | int]) -> list[str]:
    """Along which axes the wrong elements keep to a part."""
    lines: list[str] = []
    for dim, name in enumerate(axes):
        size = wrong.shape[dim]
        others = [d for d in range(wrong.dim()) if d != dim]
        hit = wrong.any(dim=others) if others else wrong
        places = hit.nonzero().flatten().tolist()
        if size < 2 or len(places) == size:
            continue
        axis = f"axis {dim} ({name})" if isinstance(name, str) else f"axis {dim}"
        first, last = places[0], places[-1]
        if len(places) == 1:
            lines.append(f"only at index {first} of {axis}, which has {size}")
        elif len(places) != last - first + 1:
            lines += _strided(places, axis)
        elif last == size - 1:
            lines.append(
                f"only at indices >= {first} of {axis}, which has {size}{_tile(first, size)}"
            )
        else:
            lines.append(f"only at indices {first} to {last} of {axis}, which has {size}")
    return lines


def _strided(places: list[int], axis: str) -> list[str]:
    """Whether scattered indices have one distance; anything else is no clue."""
    step = places[1] - places[0]
    if any(b - a != step for a, b in itertools.pairwise(places)):
        return []
    return [f"at every index of {axis} that leaves {places[0] % step} when divided by {step}"]


def _tile(first: int, size: int) -> str:
    """Whether a wrong tail is a whole last tile."""
    for tile in _TILES:
        if first % tile == 0:
            if size - first < tile:
                return f": the last, partial tile of {tile}"
            return f": everything after {first // tile} tile(s) of {tile}"
    return ""


def _causes(value: torch.Tensor, exact: torch.Tensor, wrong: torch.Tensor) -> list[str]:
    """What the wrong elements have in common."""
    bad, truth = value[wrong], exact[wrong]
    nan = int(bad.isnan().sum())
    if nan == bad.numel():
        return ["all wrong elements are NaN: never written, or computed from masked-out loads"]
    lines = [f"{nan} of the wrong elements are NaN"] if nan else []
    infinite = int(bad.isinf().sum())
    if infinite:
        lines.append(f"{infinite} of the wrong elements are infinite")
    usable = bad.isfinite() & truth.isfinite() & (truth != 0)
    bad, truth = bad[usable], truth[usable]
    if bad.numel() < 4:
        return lines
    if bool((bad == 0).all()):
        return [*lines, "all wrong elements are 0"]
    ratio = bad / truth
    middle = float(ratio.median())
    if float((ratio - middle).abs().median()) < 1e-3 * abs(middle) and abs(middle - 1) > 1e-2:
        lines.append(f"found is about {middle:.4g} times expected: a factor is missing or too many")
    elif bool((bad == bad[0]).all()):
        lines.append(f"all wrong elements are the same number, {float(bad[0]):.6g}")
    return lines
