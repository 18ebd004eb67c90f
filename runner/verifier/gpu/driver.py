"""The few calls of the CUDA driver that PyTorch does not offer: device memory shared by descriptor.

Owns the ctypes declarations of CUDA's virtual memory management. A descriptor is a capability:
unlike the handles of `cudaIpcGetMemHandle`, which any process of the same user could make up,
nothing can be opened that was not handed over. Source: CUDA driver API, "Virtual Memory
Management".
"""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass

from runner.errors import RunnerError
from runner.verifier.memory import exhausted

_PINNED = 1
_POSIX_FD = 1
_ON_DEVICE = 1
_READ_WRITE = 3
_OUT_OF_MEMORY = 2


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Properties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", _Location),
        ("win32", ctypes.c_void_p),
        ("flags", ctypes.c_ubyte * 8),
    )


class _Access(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Device memory mapped into this process: `address`, `size_bytes`, and its driver handle."""

    address: int
    size_bytes: int
    handle: int


def granularity_bytes(device: int) -> int:
    """Shared allocations are multiples of this."""
    size = ctypes.c_size_t()
    _check(
        _library().cuMemGetAllocationGranularity(
            ctypes.byref(size), ctypes.byref(_properties(device)), 0
        )
    )
    return size.value


def create_shared(size_bytes: int, device: int) -> tuple[Mapping, int]:
    """New device memory of `size_bytes` (a multiple of the granularity), and a descriptor for it.

    Needs CUDA initialised in this process. Raises DeviceMemoryExhausted, or RunnerError.
    """
    handle = ctypes.c_ulonglong()
    properties = _properties(device)
    _check(
        _library().cuMemCreate(
            ctypes.byref(handle), ctypes.c_size_t(size_bytes), ctypes.byref(properties), _zero()
        ),
        asked_bytes=size_bytes,
    )
    fd = ctypes.c_int(-1)
    try:
        _check(
            _library().cuMemExportToShareableHandle(ctypes.byref(fd), handle, _POSIX_FD, _zero())
        )
        return _map(handle.value, size_bytes, device), fd.value
    except BaseException:
        # The memory lives as long as a handle or a descriptor does.
        if fd.value >= 0:
            os.close(fd.value)
        _library().cuMemRelease(handle)
        raise


def open_shared(fd: int, size_bytes: int, device: int) -> Mapping:
    """Map the memory behind `fd`, made by `create_shared` in another process. The fd stays open."""
    handle = ctypes.c_ulonglong()
    _check(
        _library().cuMemImportFromShareableHandle(
            ctypes.byref(handle), ctypes.c_void_p(fd), _POSIX_FD
        )
    )
    try:
        return _map(handle.value, size_bytes, device)
    except BaseException:
        _library().cuMemRelease(handle)
        raise


def close_mapping(mapping: Mapping) -> None:
    """Give the memory back. No kernel may use it any more."""
    address, size = ctypes.c_ulonglong(mapping.address), ctypes.c_size_t(mapping.size_bytes)
    _check(_library().cuMemUnmap(address, size))
    _check(_library().cuMemAddressFree(address, size))
    _check(_library().cuMemRelease(ctypes.c_ulonglong(mapping.handle)))


def reset_persisting_l2() -> None:
    """Turn all persisting lines of the L2 cache into ordinary ones, for this process's context."""
    _check(_library().cuCtxResetPersistingL2Cache())


def _map(handle: int, size_bytes: int, device: int) -> Mapping:
    """All of it or nothing: the handle stays with the caller."""
    library = _library()
    address = ctypes.c_ulonglong()
    size = ctypes.c_size_t(size_bytes)
    nowhere = ctypes.c_ulonglong(0)
    _check(
        library.cuMemAddressReserve(
            ctypes.byref(address), size, ctypes.c_size_t(0), nowhere, _zero()
        )
    )
    mapped = False
    try:
        offset, owner = ctypes.c_size_t(0), ctypes.c_ulonglong(handle)
        _check(library.cuMemMap(address, size, offset, owner, _zero()))
        mapped = True
        access = _Access(_Location(_ON_DEVICE, device), _READ_WRITE)
        _check(library.cuMemSetAccess(address, size, ctypes.byref(access), ctypes.c_size_t(1)))
    except BaseException:
        if mapped:
            library.cuMemUnmap(address, size)
        library.cuMemAddressFree(address, size)
        raise
    return Mapping(address=address.value, size_bytes=size_bytes, handle=handle)


def _properties(device: int) -> _Properties:
    return _Properties(type=_PINNED, handle_types=_POSIX_FD, location=_Location(_ON_DEVICE, device))


def _zero() -> ctypes.c_ulonglong:
    return ctypes.c_ulonglong(0)


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise RunnerError(f"no CUDA driver: {error}") from error


def _check(result: int, *, asked_bytes: int | None = None) -> None:
    if result == 0:
        return
    if result == _OUT_OF_MEMORY:
        raise exhausted(asked_bytes=asked_bytes)
    text = ctypes.c_char_p()
    _library().cuGetErrorString(result, ctypes.byref(text))
    said = (text.value or b"unknown error").decode()
    raise RunnerError(f"CUDA driver: {said} ({result})")
