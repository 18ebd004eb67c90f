"""Says in words where an output is wrong and what that suggests. Pure functions on tensors.

Owns the places: which part of which axis, and on which sizes. A clue is given only when the
numbers show it; what the wrong elements have in common is `causes`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch

from runner.contract import Workload
from runner.verifier.causes import Sample, find_causes
from runner.verifier.comparison import Comparison, wrong_mask
from runner.verifier.numerics import Expected

_TILES = (256, 128, 64, 32, 16)
# Of a larger output only a stretch from the first wrong element on is looked at one by one.
_SAMPLED_ELEMENTS = 16 << 20


def describe_difference(
    found: torch.Tensor,
    expected: Expected,
    comparison: Comparison,
    axes: Sequence[str | int],
    others: Mapping[str, torch.Tensor] | None = None,
) -> list[str]:
    """Lines about one wrong output: how much, where, expected and found, likely causes.

    `axes` are the spec's names (or sizes) of the output's dimensions; `others` the float64 truth
    about other outputs, by name.
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
    places = _sampled_places(wrong)
    lines += _examples(found, expected, comparison, int(places[0]))
    if comparison.max_error is not None:
        lines.append(
            f"largest error {comparison.max_error:.3g}, budget there {comparison.max_budget:.3g}"
        )
    sample = Sample(found=found, expected=expected, places=places, others=others or {})
    return lines + find_causes(sample, axes)


def describe_sizes(right: Sequence[Workload], wrong: Sequence[Workload]) -> str | None:
    """On which sizes a candidate is wrong, if one axis tells the two apart."""
    if not right or not wrong:
        return None
    for axis in wrong[0].axes:
        good, bad = ({workload.axes[axis] for workload in group} for group in (right, wrong))
        for tile in _TILES:
            if all(size % tile == 0 for size in good) and all(size % tile for size in bad):
                return (
                    f"right where {axis} is a multiple of {tile}, wrong where it is not "
                    f"({axis} = {_list(bad)}): look at the mask of the last, partial tile"
                )
    for axis in wrong[0].axes:
        good, bad = ({workload.axes[axis] for workload in group} for group in (right, wrong))
        if max(good) < min(bad):
            return (
                f"right up to {axis} = {max(good)}, wrong from {axis} = {min(bad)} on: look at "
                "what happens beyond the first block, or when a loop runs a second time"
            )
        if min(good) > max(bad):
            return f"right from {axis} = {min(good)} on, wrong up to {axis} = {max(bad)}"
    return None


def _list(sizes: set[int]) -> str:
    return ", ".join(map(str, sorted(sizes)[:6]))


def _sampled_places(wrong: torch.Tensor) -> torch.Tensor:
    """Flat indices of wrong elements, in order."""
    flat = wrong.flatten()
    first = int(flat.view(torch.uint8).argmax()) if flat.numel() > _SAMPLED_ELEMENTS else 0
    return flat[first : first + _SAMPLED_ELEMENTS].nonzero().flatten() + first


def _examples(
    found: torch.Tensor, expected: Expected, comparison: Comparison, first: int
) -> list[str]:
    shape = expected.exact.shape
    place = tuple(int(i) for i in torch.unravel_index(torch.tensor(first), shape))
    named = {place: "first"}
    if comparison.worst_index is not None:
        named.setdefault(comparison.worst_index, "worst")
    return [
        f"{name} at {list(index)}: expected {float(expected.exact[index]):.6g}, "
        f"found {float(found[index].to(torch.float64)):.6g}"
        for index, name in named.items()
    ]


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
            end = ", the first" if first == 0 else ", the last" if first == size - 1 else ""
            lines.append(f"only at index {first}{end} of {axis}, which has {size}")
        elif len(places) != last - first + 1:
            lines += _periodic(places, axis, size)
        elif last == size - 1:
            lines.append(
                f"only at indices >= {first} of {axis}, which has {size}{_tile(first, size)}"
            )
        else:
            lines.append(f"only at indices {first} to {last} of {axis}, which has {size}")
    return lines


def _periodic(places: list[int], axis: str, size: int) -> list[str]:
    """Whether scattered indices come in runs of one length at one distance; else no clue."""
    breaks = [i for i, (a, b) in enumerate(itertools.pairwise(places), start=1) if b != a + 1]
    runs = [places[a:b] for a, b in itertools.pairwise([0, *breaks, len(places)])]
    starts = [run[0] for run in runs]
    step, length = starts[1] - starts[0], len(runs[0])
    if any(b - a != step for a, b in itertools.pairwise(starts)):
        return []
    # The axis may end in the middle of the last run.
    if any(len(run) != length for run in runs[:-1]) or len(runs[-1]) > length:
        return []
    if length == 1:
        return [f"at every index of {axis} that leaves {places[0] % step} when divided by {step}"]
    return [
        f"in blocks of {length} of {axis}, which has {size}: indices {starts[0]} to "
        f"{starts[0] + length - 1}, and again every {step}"
    ]


def _tile(first: int, size: int) -> str:
    """Whether a wrong tail is a whole last tile."""
    for tile in _TILES:
        if first % tile == 0:
            if size - first < tile:
                return f": the last, partial tile of {tile}"
            return f": everything after {first // tile} tile(s) of {tile}"
    return ""
