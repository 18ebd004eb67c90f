"""Tensors in shared memory between judge and worker: sealed memfds and the rows that describe them.

Owns the layout. A sealed memfd cannot change its size, so a hostile worker can neither fill the
disk nor crash the judge with a truncated mapping, and there is no path, link or FIFO to play with.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

ALIGN_BYTES = 256  # what cudaMalloc gives: kernels may rely on 16-byte pointers
MAX_RANK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one tensor lies in an arena, from byte `offset` on.

    Row-major without gaps, unless `strides` (in elements) say otherwise; its first element is then
    `skip` elements behind `offset`.
    """

    dtype: str  # torch name, for example "float16"
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...] | None = None
    skip: int = 0

    @property
    def size_bytes(self) -> int:
        """From `offset` to the end of the last element."""
        if self.strides is None or 0 in self.shape:
            count = math.prod(self.shape)
        else:
            reach = zip(self.shape, self.strides, strict=True)
            count = self.skip + 1 + sum((size - 1) * stride for size, stride in reach)
        return count * torch_dtype(self.dtype).itemsize

    @property
    def next_offset(self) -> int:
        """Where the tensor after this one may begin."""
        return self.offset + max(1, -(-self.size_bytes // ALIGN_BYTES)) * ALIGN_BYTES

    def within(self, flat: torch.Tensor) -> torch.Tensor:
        """The tensor as a view of `flat`: the elements from `offset` on, `size_bytes` of them."""
        if self.strides is None or flat.numel() == 0:
            return flat.view(self.shape)
        return flat.as_strided(self.shape, self.strides, flat.storage_offset() + self.skip)

    def to_json(self) -> dict[str, Any]:
        row = {"dtype": self.dtype, "shape": list(self.shape), "offset": self.offset}
        if self.strides is None:
            return row
        return {**row, "strides": list(self.strides), "skip": self.skip}

    @classmethod
    def from_json(cls, row: object) -> Slot:
        """Read a row that the other side wrote. Raises ValueError unless it is well-formed."""
        if not isinstance(row, Mapping):
            raise ValueError("a slot is not an object")  # noqa: TRY004 - one error for bad wire data
        dtype, shape, offset = row.get("dtype"), row.get("shape"), row.get("offset")
        if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > MAX_RANK:
            raise ValueError("a slot without dtype or shape")
        if not _are_sizes(shape):
            raise ValueError("a slot with a bad shape")
        if type(offset) is not int or offset < 0:
            raise ValueError("a slot with a bad offset")
        strides, skip = row.get("strides"), row.get("skip", 0)
        if strides is not None and not (isinstance(strides, list) and len(strides) == len(shape)):
            raise ValueError("a slot with a stride too few or too many")
        if not _are_sizes([*(strides or ()), skip]):
            raise ValueError("a slot with bad strides")
        return cls(
            dtype=dtype,
            shape=tuple(shape),
            offset=offset,
            strides=None if strides is None else tuple(strides),
            skip=skip,
        )


def _are_sizes(values: Sequence[object]) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 40 for value in values)


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype called `name`. Raises ValueError for anything else."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name!r} is not a dtype")  # noqa: TRY004 - bad wire data
    return dtype


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float16` → "float16"."""
    return str(dtype).removeprefix("torch.")


def lay_out(tensors: Sequence[tuple[str, tuple[int, ...]]], start: int = 0) -> tuple[Slot, ...]:
    """Slots for (dtype, shape) pairs, one after another, each aligned."""
    return place([Slot(dtype=dtype, shape=shape, offset=0) for dtype, shape in tensors], start)


def place(slots: Sequence[Slot], start: int = 0, gap_bytes: int = 0) -> tuple[Slot, ...]:
    """The same tensors one after another, each aligned, the first at `start` + `gap_bytes`.

    At least `gap_bytes`, a multiple of the alignment, lie between any two.
    """
    placed: list[Slot] = []
    offset = start + gap_bytes
    for slot in slots:
        placed.append(replace(slot, offset=offset))
        offset = placed[-1].next_offset + gap_bytes
    return tuple(placed)


def end_of(slots: Sequence[Slot]) -> int:
    """The first byte after the last slot."""
    return max((slot.offset + slot.size_bytes for slot in slots), default=0)


# Taken before foreign code arrives, which may put something else in its place.
_synchronize = torch.cuda.synchronize


def settle(device: torch.device) -> None:
    """Wait until everything queued on `device` is done: another process is about to read it."""
    if device.type == "cuda":
        _synchronize(device)


class SharedMemory(Protocol):
    """What judge and worker share: an `Arena`, or on a GPU a `DeviceArena`."""

    fd: int
    size_bytes: int
    device: torch.device

    def tensor(self, slot: Slot) -> torch.Tensor:
        """A view of `slot`. Raises ValueError when it does not lie inside the arena."""

    def fill(self, byte: int, size_bytes: int) -> None:
        """Overwrite the first `size_bytes` bytes."""

    def close(self) -> None:
        """Give it back."""


class Arena:
    """A shared mapping of fixed size. Tensors made from it share its memory."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        self.fd = fd
        self.size_bytes = size_bytes
        self.device = torch.device("cpu")
        self._map = mmap.mmap(fd, size_bytes)

    @classmethod
    def create(cls, size_bytes: int) -> Arena:
        """A new arena of at least `size_bytes`, zero-filled and sealed against resizing."""
        size_bytes = max(mmap.PAGESIZE, -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE)
        fd = os.memfd_create("kernelwright", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size_bytes)
            seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
            return cls(fd, size_bytes)
        except BaseException:
            os.close(fd)
            raise

    def tensor(self, slot: Slot) -> torch.Tensor:
        """A view of `slot`. Raises ValueError when it does not lie inside the arena."""
        dtype = torch_dtype(slot.dtype)
        if slot.offset % ALIGN_BYTES or slot.offset + slot.size_bytes > self.size_bytes:
            raise ValueError("a slot outside the arena")
        count = slot.size_bytes // dtype.itemsize
        if count == 0:
            return torch.empty(slot.shape, dtype=dtype)
        flat = torch.frombuffer(self._map, dtype=dtype, count=count, offset=slot.offset)
        return slot.within(flat)

    def text(self, offset: int, size_bytes: int) -> str:
        """Bytes as text; what is not UTF-8 is replaced. Raises ValueError outside the arena."""
        if offset < 0 or size_bytes < 0 or offset + size_bytes > self.size_bytes:
            raise ValueError("text outside the arena")
        return self._map[offset : offset + size_bytes].decode("utf-8", errors="replace")

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`. Raises ValueError when it does not fit."""
        if offset < 0 or offset + len(data) > self.size_bytes:
            raise ValueError("text outside the arena")
        self._map[offset : offset + len(data)] = data

    def fill(self, byte: int, size_bytes: int) -> None:
        """Overwrite the first `size_bytes` bytes."""
        count = min(size_bytes, self.size_bytes)
        torch.frombuffer(self._map, dtype=torch.uint8, count=count).fill_(byte)

    def close(self) -> None:
        """Give the descriptor back. The mapping goes when the last tensor of it goes."""
        os.close(self.fd)
