# status: INCORRECT_NUMERICAL
# problem: row_mean
# naive: passes
"""Adds whole blocks of 64 columns, also where they belong to the next row or to nobody."""

import torch
import triton
import triton.language as tl


@triton.jit
def _mean_kernel(x_ptr, y_ptr, n_cols, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, n_cols, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        total += tl.load(x_ptr + row * n_cols + offs, mask=offs < width, other=0.0)
    tl.store(y_ptr + row, tl.sum(total, 0) / n_cols)


def _mean(x, y):
    _mean_kernel[(x.shape[0],)](x, y, x.shape[1], triton.cdiv(x.shape[1], 64) * 64, BLOCK=4096)
    return y


def row_mean(x):
    return _mean(x, torch.empty(x.shape[0], dtype=x.dtype, device=x.device))
