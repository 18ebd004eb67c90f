"""How a case's inputs lie in the arena: contiguous, or with the strides that a spec allows.

Owns the layouts and the bands around inputs: memory that nobody may write, filled with NaN. Knows
no values.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from runner.problem import Problem
from runner.verifier.arena import ALIGN_BYTES, SharedMemory, Slot, place, torch_dtype
from runner.verifier.bytewise import first_difference

if TYPE_CHECKING:
    from runner.verifier.inputs import Case

CONTIGUOUS = "contiguous"
TRANSPOSED = "last two axes transposed in memory"
EVERY_SECOND = "every second element of a larger buffer"
OFFSET = "slice of a larger buffer, from its second column on"
LAYOUTS = (TRANSPOSED, EVERY_SECOND, OFFSET)
# Around each input; larger than what a tile of 1024 elements too many would reach.
GAP_BYTES = 4096
POISON = 0xFF  # NaN in every float type, -1 in every integer
# Where inputs begin when a call is repeated: other addresses, aligned as the first time.
SECOND_START = 64 << 10
_PITCH = 3  # elements that the larger buffer has more than a slice of it, in each row


def input_slots(problem: Problem, case: Case, start: int = 0) -> tuple[Slot, ...]:
    """Where the inputs of `case` lie, with bands around each."""
    slots = []
    for spec in problem.inputs:
        shape = spec.concrete_shape(case.workload)
        strides, skip = _strides(shape, CONTIGUOUS if spec.contiguous else case.layout)
        slots.append(Slot(dtype=spec.dtype, shape=shape, offset=0, strides=strides, skip=skip))
    return place(slots, start, GAP_BYTES)


def behind(slots: Sequence[Slot]) -> int:
    """Where outputs may begin."""
    return slots[-1].next_offset + GAP_BYTES


def written_outside(arena: SharedMemory, slots: Mapping[str, Slot], start: int = 0) -> str | None:
    """Which input has been written around, and how far from it; None where all bands are whole.

    `slots` in their order in the arena, from `start` on. Overwrites what the inputs hold where
    they have gaps between their elements: to be asked when they are no longer needed.
    """
    for name, slot in slots.items():
        if slot.strides is not None and slot.size_bytes:
            # Elements that lie apart: once they are poison too, all of the span must be.
            arena.tensor(slot).copy_(_poison(slot, arena.device))
            if first_difference(_bytes(arena, slot.offset, slot.size_bytes), POISON) is not None:
                return f"between the elements of input {name}, which has gaps"
    ends = [start, *(slot.offset + slot.size_bytes for slot in slots.values())]
    begins = [*(slot.offset for slot in slots.values()), behind(list(slots.values()))]
    names = [None, *slots, None]
    for number, (low, high) in enumerate(zip(ends, begins, strict=True)):
        # Slots begin aligned, so the band is read from the last aligned byte on.
        aligned = low // ALIGN_BYTES * ALIGN_BYTES
        band = _bytes(arena, aligned, high - aligned)[low - aligned :]
        place_of = first_difference(band, POISON)
        if place_of is not None:
            return _side(names[number], names[number + 1], place_of, len(band))
    return None


def _side(before: str | None, after: str | None, first: int, size: int) -> str:
    """The words for byte `first` of a band of `size` between two inputs, whichever is nearer."""
    to_next = size - first
    if before is not None and (after is None or first < to_next):
        return f"input {before} ({first + 1} bytes after its end)"
    return f"input {after} ({to_next} bytes before its beginning)"


def _bytes(arena: SharedMemory, offset: int, count: int) -> torch.Tensor:
    return arena.tensor(Slot(dtype="uint8", shape=(count,), offset=offset))


def _poison(slot: Slot, device: torch.device) -> torch.Tensor:
    """One element of the slot's dtype, all bits set."""
    dtype = torch_dtype(slot.dtype)
    return torch.full((dtype.itemsize,), POISON, dtype=torch.uint8, device=device).view(dtype)


def _strides(shape: tuple[int, ...], layout: str) -> tuple[tuple[int, ...] | None, int]:
    """(strides in elements, elements before the first one); None for row-major without gaps."""
    if layout == CONTIGUOUS or not shape:
        return None, 0
    if layout == TRANSPOSED and len(shape) > 1:
        swapped = _row_major((*shape[:-2], shape[-1], shape[-2]))
        return (*swapped[:-2], swapped[-1], swapped[-2]), 0
    if layout == OFFSET:
        return _row_major((*shape[:-1], shape[-1] + _PITCH)), 1
    # Of one axis there is nothing to transpose.
    return tuple(2 * stride for stride in _row_major(shape)), 0


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = [max(1, size) for size in shape[:0:-1]]
    return tuple(itertools.accumulate(sizes, int.__mul__, initial=1))[::-1]
