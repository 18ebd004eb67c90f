# status: INCORRECT_NUMERICAL
# naive: passes
"""Writes whole tiles of 64 columns only."""

import torch
import triton
import triton.language as tl


@triton.jit
def _tiles_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    row = tl.program_id(0).to(tl.int64)
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0))
    whole = offs < n_cols // 64 * 64
    tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=whole)


def row_softmax(x):
    y = torch.empty_like(x)
    _tiles_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
