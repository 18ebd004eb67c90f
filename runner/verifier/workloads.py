"""Workloads that are not in the spec: drawn by a secret seed from the declared ranges of the axes.

Owns their sizes. They are no larger than the spec's own tests, so that judging them stays quick.
Torch-free.
"""

from __future__ import annotations

import math
import random

from runner.contract import Workload
from runner.problem import Problem

# The width that kernels are tuned for: a size that is no multiple of it needs a mask.
_ALIGNED = 16
_DRAWS = 64
_GROWTH = 2  # of an axis, against the largest test


def elements(problem: Problem, workload: Workload) -> int:
    """How many elements all inputs and outputs have together."""
    shapes = [spec.concrete_shape(workload) for spec in (*problem.inputs, *problem.outputs)]
    return sum(math.prod(shape) for shape in shapes)


def held_out(problem: Problem, seed: int, count: int = 3) -> tuple[Workload, ...]:
    """Up to `count` workloads that the spec does not name; fewer where the ranges have no more.

    Sizes are log-uniform, up to twice the largest test's. The first has no multiple of 16 where an
    axis allows that. None has more elements, or a larger product of axes, than the largest test,
    as far as the ranges allow it.
    """
    draw = random.Random(seed ^ 0x4F55)  # noqa: S311 - the secret is the judge's seed
    known = {str(workload) for workload in problem.tests}
    found: list[Workload] = []
    for _ in range(_DRAWS):
        if len(found) == count:
            break
        sizes = _shrink(problem, {axis: _size(problem, axis, draw) for axis in problem.axes}, draw)
        if not found:
            sizes = {axis: _misaligned(problem, axis, size) for axis, size in sizes.items()}
        if str(Workload(axes=sizes)) in known:
            # Where the tests are the smallest that the ranges allow: a little larger.
            sizes = {axis: _grown(problem, axis, size, draw) for axis, size in sizes.items()}
        workload = Workload(axes=sizes)
        if str(workload) not in known:
            known.add(str(workload))
            found.append(workload)
    return tuple(found)


def _size(problem: Problem, axis: str, draw: random.Random) -> int:
    low, high = problem.axes[axis]
    step = problem.steps[axis]
    first = max(-(-low // step) * step, min(step, high))
    # A kernel's programs are run one by one where there is no GPU: no axis may explode.
    largest = max(workload.axes[axis] for workload in problem.tests)
    high = max(first, min(high, _GROWTH * largest))
    size = int(math.exp(draw.uniform(math.log(max(1, first)), math.log(max(1, high) + 1))))
    return max(first, min(size, high) // step * step)


def _shrink(problem: Problem, sizes: dict[str, int], draw: random.Random) -> dict[str, int]:
    """Halve axes, one drawn at a time, until the workload is as small as the largest test."""
    tests = problem.tests
    most_elements = max(elements(problem, workload) for workload in tests)
    most_work = max(math.prod(workload.axes.values()) for workload in tests)
    sizes = dict(sizes)
    while True:
        workload = Workload(axes=sizes)
        few = elements(problem, workload) <= most_elements
        if few and math.prod(sizes.values()) <= most_work:
            return sizes
        smaller = {axis: _halved(problem, axis, size) for axis, size in sizes.items()}
        movable = [axis for axis in sizes if smaller[axis] < sizes[axis]]
        if not movable:
            return sizes
        axis = draw.choice(movable)
        sizes[axis] = smaller[axis]


def _halved(problem: Problem, axis: str, size: int) -> int:
    step = problem.steps[axis]
    first = max(1, -(-problem.axes[axis][0] // step) * step)
    # A little less than half, so that the sizes do not end up as round numbers.
    return max(min(first, size), size * 7 // 16 // step * step)


def _grown(problem: Problem, axis: str, size: int, draw: random.Random) -> int:
    larger = size + draw.randint(0, 8) * problem.steps[axis]
    return larger if larger <= problem.axes[axis][1] else size


def _misaligned(problem: Problem, axis: str, size: int) -> int:
    low, high = problem.axes[axis]
    step = problem.steps[axis]
    if size % _ALIGNED:
        return size
    for other in (size - step, size + step):
        if low <= other <= high and other % _ALIGNED:
            return other
    return size
