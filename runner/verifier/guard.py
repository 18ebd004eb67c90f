"""Bands of poison around what a candidate allocates, to see what its kernels write out of bounds.

Owns the replacement of PyTorch's factories inside the worker, for the length of one call. What it
reports can only fail a candidate, never pass one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.verifier.arena import ALIGN_BYTES, dtype_name
from runner.verifier.bytewise import first_difference
from runner.verifier.eager_mode import EagerMode

BAND_BYTES = 4096
_POISON = 0xFF  # NaN in every float type
# All buffers of a call are held until its end; above this sum the rest goes unguarded.
_MAX_HELD_BYTES = {"cpu": 1 << 30, "cuda": 24 << 30}
_MAX_REPORTED = 8
_UNWRITTEN = frozenset(
    {
        "aten::empty",
        "aten::empty_like",
        "aten::empty_permuted",
        "aten::empty_strided",
        "aten::new_empty",
        "aten::new_empty_strided",
    }
)
_FILLED = frozenset(
    {
        "aten::_to_copy",
        "aten::clone",
        "aten::full",
        "aten::full_like",
        "aten::new_full",
        "aten::new_ones",
        "aten::new_zeros",
        "aten::ones",
        "aten::ones_like",
        "aten::zeros",
        "aten::zeros_like",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One allocation: bytes [start, end) of `buffer` are the candidate's."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    buffer: torch.Tensor
    start: int
    end: int


class GuardedAllocations(EagerMode):
    """While active, every new tensor is a view into a larger, poisoned buffer.

    It is a plain torch.Tensor with the strides it would have had, 256-byte aligned; only its
    storage is larger than itself.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held: list[_Held] = []
        self._held_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        name = func._schema.name
        # With `out=` nothing is allocated, and pinned memory is not for kernels.
        if "out" in named or named.get("pin_memory"):
            return func(*args, **named)
        if name in _UNWRITTEN:
            like = func(*args, **{**named, "device": "meta"})
            device = _device_of(args, named)
            guarded = self._allocate(like, device)
            return func(*args, **named) if guarded is None else guarded
        result = func(*args, **named)
        if name in _FILLED and isinstance(result, torch.Tensor):
            guarded = self._allocate(result, result.device)
            return result if guarded is None else guarded.copy_(result)
        return result

    def overruns(self) -> list[dict[str, Any]]:
        """Allocations with a written band: shape, dtype, and the bytes to the nearest of it."""
        found: list[dict[str, Any]] = []
        for held in self._held:
            if len(found) == _MAX_REPORTED:
                break
            after = first_difference(held.buffer[held.end :], _POISON)
            before = first_difference(held.buffer[: held.start].flip(0), _POISON)
            if after is None and before is None:
                continue
            found.append(
                {
                    "shape": list(held.shape),
                    "dtype": dtype_name(held.dtype),
                    "before": None if before is None else before + 1,
                    "after": None if after is None else after + 1,
                }
            )
        return found

    def release(self) -> None:
        """Let go of all buffers; what the candidate still holds lives on."""
        self._held.clear()
        self._held_bytes = 0

    def _allocate(self, like: torch.Tensor, device: torch.device) -> torch.Tensor | None:
        """A poisoned tensor of the form of `like` on `device`; None where it is not guarded."""
        limit = _MAX_HELD_BYTES.get(device.type, 0)
        if like.layout is not torch.strided or like.numel() == 0:
            return None
        reach = sum((n - 1) * s for n, s in zip(like.shape, like.stride(), strict=True))
        size_bytes = (reach + 1) * like.itemsize
        total = size_bytes + 2 * BAND_BYTES + ALIGN_BYTES
        if self._held_bytes + total > limit:
            return None
        self._held_bytes += total
        buffer = torch.full((total,), _POISON, dtype=torch.uint8, device=device)
        start = BAND_BYTES + -(buffer.data_ptr() + BAND_BYTES) % ALIGN_BYTES
        tensor = torch.empty(0, dtype=like.dtype, device=device)
        tensor.set_(buffer.untyped_storage(), start // like.itemsize, like.shape, like.stride())
        if like.dtype is torch.bool:
            tensor.fill_(True)  # a bool of 255 is none
        self._held.append(
            _Held(
                shape=tuple(like.shape),
                dtype=like.dtype,
                buffer=buffer,
                start=start,
                end=start + size_bytes,
            )
        )
        return tensor


def _device_of(args: Sequence[Any], named: dict[str, Any]) -> torch.device:
    """Where a factory would have put its result."""
    device = named.get("device")
    if device is not None:
        return torch.device(device)
    if args and isinstance(args[0], torch.Tensor):
        return args[0].device
    return torch.get_default_device()
