# status: PASSED
# problem: row_mean
"""Reduces with a rule of its own over pairs of count and mean."""

import torch
import triton
import triton.language as tl


@triton.jit
def _merge(count_a, mean_a, count_b, mean_b):
    count = count_a + count_b
    share = tl.where(count > 0, count_b / tl.maximum(count, 1.0), 0.0)
    return count, mean_a + (mean_b - mean_a) * share


@triton.jit
def _mean_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    count = tl.zeros([BLOCK], tl.float32)
    mean = tl.zeros([BLOCK], tl.float32)
    for start in range(0, n_cols, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        mask = offs < n_cols
        x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=0.0)
        count += tl.where(mask, 1.0, 0.0)
        mean += tl.where(mask, (x - mean) / tl.maximum(count, 1.0), 0.0)
    _, total = tl.reduce((count, mean), 0, _merge)
    tl.store(y_ptr + row, total)


@torch.no_grad()
def row_mean(x):
    y = torch.empty(x.size(0), dtype=x.dtype, device=x.device)
    _mean_kernel[(x.size(0),)](x, y, x.size(1), BLOCK=128)
    return y
