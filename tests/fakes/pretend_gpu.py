"""A pytest plugin for child processes: the CPU plays the GPU, so that a benchmark's files run.

Owns the pretence: events are moments of the CPU's clock. The times mean nothing; what is tested is
that they come out where a tool looks for them.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import torch

from runner import bench_clock


class CpuEvent:
    """`torch.cuda.Event`, as far as it is used."""

    def __init__(self, enable_timing: bool) -> None:
        self.at_s = 0.0

    def record(self) -> None:
        self.at_s = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, later: CpuEvent) -> float:
        return (later.at_s - self.at_s) * 1000


def properties(_device: Any) -> SimpleNamespace:
    return SimpleNamespace(L2_cache_size=1024)


torch.cuda.is_available = lambda: True
torch.cuda._sleep = lambda _cycles: None
torch.cuda.get_device_properties = properties
bench_clock.DEVICE = torch.device("cpu")
bench_clock._new_event = CpuEvent
