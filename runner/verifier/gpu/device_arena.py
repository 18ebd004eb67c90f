"""Device memory shared between the judge and its workers, with the interface of `arena.Arena`.

Owns the mapping and its views. Both sides may write to it at any time: the judge copies what it
decides on, and keeps what nobody may see elsewhere.
"""

from __future__ import annotations

import os

import torch

from runner.errors import DeviceMemoryExhausted
from runner.verifier.arena import ALIGN_BYTES, Slot, torch_dtype
from runner.verifier.gpu import driver
from runner.verifier.memory import give_back


class DeviceArena:
    """A shared block of GPU memory of fixed size. Tensors made from it share its memory."""

    def __init__(self, mapping: driver.Mapping, fd: int, device: int) -> None:
        self.fd = fd
        self.size_bytes = mapping.size_bytes
        self.device = torch.device("cuda", device)
        self._mapping = mapping
        self._bytes = torch.as_tensor(_Raw(mapping), device=self.device)

    @classmethod
    def create(cls, size_bytes: int, device: int = 0) -> DeviceArena:
        """A new arena of at least `size_bytes`. Raises DeviceMemoryExhausted."""
        torch.cuda.current_stream(device).synchronize()  # CUDA is up, and this thread has it
        unit = driver.granularity_bytes(device)
        size_bytes = max(unit, -(-size_bytes // unit) * unit)
        try:
            mapping, fd = driver.create_shared(size_bytes, device)
        except DeviceMemoryExhausted:
            # As PyTorch's allocator does: what it keeps unused is in nobody's way.
            give_back()
            mapping, fd = driver.create_shared(size_bytes, device)
        try:
            return cls(mapping, fd, device)
        except BaseException:
            os.close(fd)
            driver.close_mapping(mapping)
            raise

    @classmethod
    def open(cls, fd: int, size_bytes: int, device: int = 0) -> DeviceArena:
        """The arena behind a descriptor that another process made."""
        torch.cuda.current_stream(device).synchronize()
        return cls(driver.open_shared(fd, size_bytes, device), fd, device)

    def tensor(self, slot: Slot) -> torch.Tensor:
        """A view of `slot`. Raises ValueError when it does not lie inside the arena."""
        dtype = torch_dtype(slot.dtype)
        end = slot.offset + slot.size_bytes
        if slot.offset % ALIGN_BYTES or end > self.size_bytes:
            raise ValueError("a slot outside the arena")
        # Views share a version counter, and what the worker itself writes here would tell a
        # candidate when its input has changed; `data` begins a counter of its own.
        return slot.within(self._bytes.data[slot.offset : end].view(dtype))

    def fill(self, byte: int, size_bytes: int) -> None:
        """Overwrite the first `size_bytes` bytes."""
        self._bytes[: min(size_bytes, self.size_bytes)].fill_(byte)

    def close(self) -> None:
        """Give descriptor and memory back. No view may be used any more."""
        torch.cuda.synchronize(self.device)
        del self._bytes
        os.close(self.fd)
        driver.close_mapping(self._mapping)


class _Raw:
    """The mapping as torch takes it in without a copy."""

    def __init__(self, mapping: driver.Mapping) -> None:
        self.__cuda_array_interface__ = {
            "shape": (mapping.size_bytes,),
            "typestr": "|u1",
            "data": (mapping.address, False),
            "version": 3,
        }
