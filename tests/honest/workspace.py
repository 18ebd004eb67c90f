# status: PASSED
# problem: row_mean
"""Keeps one scratch buffer, which grows, for the sums of column blocks."""

import torch
import triton
import triton.language as tl

_WORKSPACE = {}


def _scratch(count, device):
    have = _WORKSPACE.get(device)
    if have is None or have.numel() < count:
        have = _WORKSPACE[device] = torch.empty(count, dtype=torch.float32, device=device)
    return have[:count]


@triton.jit
def _sum_kernel(x_ptr, sums_ptr, n_cols, BLOCK: tl.constexpr):
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    offs = part * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + offs, mask=offs < n_cols, other=0.0)
    tl.store(sums_ptr + row * tl.num_programs(1) + part, tl.sum(x, 0))


@triton.jit
def _mean_kernel(sums_ptr, y_ptr, n_cols, parts, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    sums = tl.load(sums_ptr + row * parts + offs, mask=offs < parts, other=0.0)
    tl.store(y_ptr + row, tl.sum(sums, 0) / n_cols)


def row_mean(x):
    n_rows, n_cols = x.shape
    parts = triton.cdiv(n_cols, 4096)
    sums = _scratch(n_rows * parts, x.device)
    y = torch.empty(n_rows, dtype=x.dtype, device=x.device)
    _sum_kernel[(n_rows, parts)](x, sums, n_cols, BLOCK=4096)
    _mean_kernel[(n_rows,)](sums, y, n_cols, parts, BLOCK=triton.next_power_of_2(parts))
    return y
