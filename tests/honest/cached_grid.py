# status: PASSED
# problem: relu
"""Remembers launch parameters by size: a cache, but not of answers."""

import functools
from dataclasses import dataclass

import torch
import triton
import triton.language as tl


@dataclass(frozen=True)
class _Launch:
    grid: tuple
    block: int


@functools.lru_cache(maxsize=64)
def _launch_for(n):
    block = min(4096, triton.next_power_of_2(max(n, 16)))
    return _Launch(grid=(triton.cdiv(n, block),), block=block)


@triton.jit
def _relu_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n, eviction_policy="evict_first")
    tl.store(y_ptr + offs, tl.where(x > 0, x, 0.0), mask=offs < n, cache_modifier=".cs")


def relu(x):
    y, launch = torch.empty_like(x), _launch_for(x.numel())
    if launch.grid[0]:
        _relu_kernel[launch.grid](x, y, x.numel(), BLOCK=launch.block)
    return y
