# status: INCORRECT_NUMERICAL
# problem: row_mean
# naive: passes
"""Adds to scratch memory that it never clears: every call remembers the one before, a little."""

import torch
import triton
import triton.language as tl

_SCRATCH = {}


@triton.jit
def _mean_kernel(x_ptr, sum_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, n_cols, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        total += tl.load(x_ptr + row * n_cols + offs, mask=offs < n_cols, other=0.0)
    tl.atomic_add(sum_ptr + row, tl.sum(total, 0) / n_cols)
    tl.store(y_ptr + row, tl.load(sum_ptr + row))


def row_mean(x):
    rows = x.shape[0]
    if rows not in _SCRATCH:
        _SCRATCH[rows] = torch.zeros(rows, dtype=x.dtype, device=x.device)
    y = torch.empty(rows, dtype=x.dtype, device=x.device)
    _mean_kernel[(rows,)](x, _SCRATCH[rows], y, x.shape[1], BLOCK=4096)
    return y
