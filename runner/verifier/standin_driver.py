"""A Triton driver for a machine without a GPU: it names the target and times nothing.

Owns what Triton and a kernel's host code ask of a device: the target of ahead-of-time compilation
and an H100's properties. Worker side only; launching through it is impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

CAPABILITY = 90
# NVIDIA H100 SXM, from the Hopper tuning guide and the CUDA programming guide's table 21.
SHARED_BYTES_PER_BLOCK = 232_448
_PROPERTIES = {
    "multiprocessor_count": 132,
    "max_shared_mem": SHARED_BYTES_PER_BLOCK,
    "max_num_regs": 65_536,
    "warpSize": 32,
}
Benchmarker = Callable[[Callable[[], Any], Sequence[float]], list[float]]


class StandInDriver:
    """What `triton.runtime.driver.active` must offer between 3.4 and 3.9 for compiling."""

    def __init__(self, benchmarker: Benchmarker) -> None:
        self._benchmarker = benchmarker
        self.utils = SimpleNamespace(get_device_properties=lambda device: dict(_PROPERTIES))

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", CAPABILITY, 32)

    def get_current_device(self) -> int:
        return 0

    def set_current_device(self, device: int) -> None:
        if device != 0:
            raise ValueError(f"there is one device, not number {device}")

    def get_current_stream(self, device: int | None = None) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_benchmarker(self) -> Callable[..., list[float]]:
        def bench(call: Callable[[], Any], quantiles: Sequence[float], **_: Any) -> list[float]:
            return self._benchmarker(call, quantiles)

        return bench


def install(benchmarker: Benchmarker) -> None:
    """Make the stand-in the active driver, and let host code ask torch for the same device."""
    driver.set_active(StandInDriver(benchmarker))
    properties = SimpleNamespace(
        name="NVIDIA H100 80GB HBM3",
        major=9,
        minor=0,
        multi_processor_count=_PROPERTIES["multiprocessor_count"],
        total_memory=80 << 30,
        warp_size=32,
        shared_memory_per_block_optin=SHARED_BYTES_PER_BLOCK,
        L2_cache_size=50 << 20,
    )
    # A persistent kernel sizes its grid by these: without them it could not be checked here.
    torch.cuda.get_device_properties = lambda device=None: properties  # type: ignore[assignment,return-value]
    torch.cuda.get_device_capability = lambda device=None: (9, 0)
    torch.cuda.current_device = lambda: 0
