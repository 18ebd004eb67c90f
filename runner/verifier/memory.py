"""Memory that ran out: how it is recognised, told, and given back to a GPU.

Owns the sentence for a GPU that is full. Never initialises CUDA, and never decides whose fault it
is: what a candidate's own allocations come to is the court's.
"""

from __future__ import annotations

import gc
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from runner.errors import DeviceMemoryExhausted

# What says "CUDA error: out of memory", "Triton Error [CUDA]: out of memory", or, for a library
# that finds no room for its workspace, CUBLAS_STATUS_ALLOC_FAILED.
_ON_DEVICE = re.compile(r"CUDA.*out of memory|CU[A-Z]+_STATUS_ALLOC_FAILED")
# The same, and what compute-sanitizer calls it, in a verdict's words.
_WANT = re.compile(
    rf"out of memory|OutOfMemoryError|cudaErrorMemoryAllocation|{_ON_DEVICE.pattern}"
)
_ASKED = re.compile(r"Tried to allocate ([\d.]+) ([KMG]i)?B")
_WAITING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def is_out_of_memory(kind: str, message: str) -> bool:
    """Whether an error of that type and text says that memory ran out, on a GPU or on the host."""
    if kind in ("OutOfMemoryError", "MemoryError", DeviceMemoryExhausted.__name__):
        return True
    # PyTorch's CPU allocator raises a plain RuntimeError.
    return kind in ("RuntimeError", "AcceleratorError") and (
        "can't allocate memory" in message or _ON_DEVICE.search(message) is not None
    )


def exhausted(
    what: str = "the GPU's memory ran out", *, said: str = "", asked_bytes: int | None = None
) -> DeviceMemoryExhausted:
    """The error, with the GPU's figures as they are now. `said`: PyTorch's words, which may tell
    how much was asked for."""
    found = _ASKED.search(said)
    if asked_bytes is None and found is not None:
        asked_bytes = int(float(found[1]) * _UNITS.get(found[2], 1))
    free_bytes, total_bytes = _free_and_total()
    return DeviceMemoryExhausted(
        what, asked_bytes=asked_bytes, free_bytes=free_bytes, total_bytes=total_bytes
    )


def ran_out(whose: str, said: str, device: torch.device) -> str:
    """One clause on whose memory ran out, the GPU's or the host's. `said`: the error's words."""
    if device.type == "cuda" and _WANT.search(said) is not None:
        return str(exhausted(f"{whose} ran out of the GPU's memory", said=said))
    return f"{whose} ran out of memory ({said})"


@contextmanager
def device_memory_told() -> Iterator[None]:
    """GPU memory that runs out here is DeviceMemoryExhausted, whatever library noticed it."""
    try:
        yield
    except RuntimeError as error:  # PyTorch's own errors are of this kind
        if not isinstance(error, torch.OutOfMemoryError) and not _ON_DEVICE.search(str(error)):
            raise
        raise exhausted(said=str(error)) from error


def tells_of_want(words: str) -> bool:
    """Whether a verdict's words say that a GPU's memory ran out."""
    return _WANT.search(words) is not None


def give_back() -> None:
    """Return to the GPU all memory that PyTorch keeps in this process without using it.

    Waits for the GPU: never for a moment that is timed. Tensors of a failure
    that is on its way out go too: without it, the locals of its frames would hold them.
    """
    _forget_locals(sys.exc_info()[1])
    gc.collect()
    give_back_blocks()


def give_back_blocks() -> None:
    """The same, but without looking for tensors that nobody reaches: that takes longer."""
    if _has_cuda():
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int | None:
    """What nobody holds of a GPU's memory; None for a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def _forget_locals(failure: BaseException | None) -> None:
    """Of the functions that `failure`, and what it came from, has ended."""
    known: list[BaseException] = []
    while failure is not None and failure not in known:
        known.append(failure)
        for frame, _ in traceback.walk_tb(failure.__traceback__):
            # To clear a coroutine that waits would end it, and what runs cannot be cleared.
            if not frame.f_code.co_flags & _WAITING:
                with suppress(RuntimeError):
                    frame.clear()
        failure = failure.__cause__ or failure.__context__


def _free_and_total() -> tuple[int | None, int | None]:
    """In bytes; None where this process has no CUDA, or no room for its context."""
    try:
        return torch.cuda.mem_get_info() if _has_cuda() else (None, None)
    except RuntimeError:
        return None, None


def _has_cuda() -> bool:
    """Whether this process uses a GPU already."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
