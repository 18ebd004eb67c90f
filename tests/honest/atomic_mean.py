# status: PASSED
# problem: row_mean
"""Adds up with atomics into an output of zeros: the order is never the same twice."""

import triton
import triton.language as tl


@triton.jit
def _mean_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + offs, mask=offs < n_cols, other=0.0)
    tl.atomic_add(y_ptr + row, tl.sum(x, 0) / n_cols)


def row_mean(x):
    y = x.new_zeros(x.shape[:-1])
    _mean_kernel[(x.shape[0], triton.cdiv(x.shape[1], 4096))](x, y, x.shape[1], BLOCK=4096)
    return y
