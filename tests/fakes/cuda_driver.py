"""libcuda as far as device memory is shared by descriptor: counts what is held, fails where told.

Owns no GPU: addresses and handles are numbers, a descriptor is one of an empty file in memory.
"""

from __future__ import annotations

import os
from typing import Any

OUT_OF_MEMORY = 2
OTHER_ERROR = 1


class FakeDriver:
    """Put it in place of `driver._library`. `fails`: a call's name → the error it returns."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}
        self.handles: set[int] = set()
        self.addresses: set[int] = set()
        self.mapped: set[int] = set()
        self.descriptors: list[int] = []
        self._next = 1000

    @property
    def held(self) -> list[str]:
        """What was not given back."""
        open_ones = [fd for fd in self.descriptors if _is_open(fd)]
        parts = {"handle": self.handles, "address": self.addresses, "mapping": self.mapped}
        return [name for name, held in parts.items() if held] + ["descriptor" for _ in open_ones]

    def cuMemGetAllocationGranularity(self, size: Any, *_: Any) -> int:
        size._obj.value = 4096
        return 0

    def cuMemCreate(self, handle: Any, *_: Any) -> int:
        return self._make("cuMemCreate", handle, self.handles)

    def cuMemImportFromShareableHandle(self, handle: Any, *_: Any) -> int:
        return self._make("cuMemImportFromShareableHandle", handle, self.handles)

    def cuMemExportToShareableHandle(self, fd: Any, *_: Any) -> int:
        if "cuMemExportToShareableHandle" in self.fails:
            return self.fails["cuMemExportToShareableHandle"]
        fd._obj.value = os.memfd_create("device memory")
        self.descriptors.append(fd._obj.value)
        return 0

    def cuMemAddressReserve(self, address: Any, *_: Any) -> int:
        return self._make("cuMemAddressReserve", address, self.addresses)

    def cuMemMap(self, address: Any, *_: Any) -> int:
        if "cuMemMap" not in self.fails:
            self.mapped.add(address.value)
        return self.fails.get("cuMemMap", 0)

    def cuMemSetAccess(self, *_: Any) -> int:
        return self.fails.get("cuMemSetAccess", 0)

    def cuMemUnmap(self, address: Any, _: Any) -> int:
        self.mapped.remove(address.value)
        return 0

    def cuMemAddressFree(self, address: Any, _: Any) -> int:
        assert address.value not in self.mapped
        self.addresses.remove(address.value)
        return 0

    def cuMemRelease(self, handle: Any) -> int:
        self.handles.remove(handle.value)
        return 0

    def cuGetErrorString(self, _: int, text: Any) -> int:
        text._obj.value = b"invalid argument"
        return 0

    def _make(self, name: str, place: Any, held: set[int]) -> int:
        if name in self.fails:
            return self.fails[name]
        self._next += 1
        place._obj.value = self._next
        held.add(self._next)
        return 0


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
