"""What this GPU can do, measured: a copy for its memory, matrix products for its arithmetic.

Owns the judge's own measurement, without any foreign code, and the share of it that a kernel
reaches. Method: S. Williams, A. Waterman, D. Patterson, Roofline, CACM 2009.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from runner.contract import Roofline

_COPY_BYTES = 1 << 30
_SIDE = 8192
_PRODUCTS: dict[str, int] = {"float16": 12, "bfloat16": 12, "float32": 4}  # how many are timed
# Datasheet rates of the fastest part that may be met are further off than this.
_FLOOR_SLACK = 1.10


_known: dict[int, Roofline] = {}


def measure_roofline(
    device: int = 0, alone: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Roofline:
    """Some 0.4 s on a Hopper GPU, once a process. Needs about 2.5 GiB of GPU memory.

    `alone`: what is held while it measures. What is known waits for nobody: other judges may be
    checking for minutes.
    """
    if device not in _known:
        with alone():
            _known[device] = _measure(device)
    return _known[device]


def _measure(device: int) -> Roofline:
    where = torch.device("cuda", device)
    properties = torch.cuda.get_device_properties(where)
    copy_rate = _copy_gb_per_s(where)
    rates = {name: _matmul_tflop_per_s(name, count, where) for name, count in _PRODUCTS.items()}
    torch.cuda.empty_cache()
    return Roofline(
        copy_gb_per_s=copy_rate,
        matmul_tflop_per_s=rates,
        l2_bytes=int(properties.L2_cache_size),
        multiprocessors=int(properties.multi_processor_count),
    )


def floor_ms(read_bytes: int, written_bytes: int, roofline: Roofline) -> float:
    """No kernel is quicker: what must be read has to come from memory, because the L2 cache is
    flushed before each call; of what is written, as much as the cache holds may stay there."""
    moved = read_bytes + max(0, written_bytes - roofline.l2_bytes)
    return moved / (roofline.copy_gb_per_s * _FLOOR_SLACK) / 1e6


def share_of(
    moved_bytes: int, flops: int | None, dtype: str, time_ms: float, roofline: Roofline
) -> tuple[float, Literal["memory", "arithmetic"]]:
    """(share of the nearer roof that was reached, which roof it is)."""
    memory_ms = moved_bytes / roofline.copy_gb_per_s / 1e6
    rate = roofline.matmul_tflop_per_s.get(dtype)
    arithmetic_ms = flops / rate / 1e9 if flops and rate else 0.0
    if arithmetic_ms > memory_ms:
        return arithmetic_ms / time_ms, "arithmetic"
    return memory_ms / time_ms, "memory"


def _copy_gb_per_s(device: torch.device) -> float:
    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return 2 * _COPY_BYTES / _median_ms(lambda: target.copy_(source), 12) / 1e6


def _matmul_tflop_per_s(name: str, count: int, device: torch.device) -> float:
    # Random data: a product of zeros draws less power, and is quicker than any real one.
    a, b = (torch.randn(_SIDE, _SIDE, device=device).to(getattr(torch, name)) for _ in range(2))
    return 2 * _SIDE**3 / _median_ms(functools.partial(torch.mm, a, b), count) / 1e9


def _median_ms(call: Callable[[], object], count: int) -> float:
    for _ in range(2):
        call()
    make_event: Callable[..., torch.cuda.Event] = torch.cuda.Event
    times: list[float] = []
    for _ in range(count):
        start, end = (make_event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)
