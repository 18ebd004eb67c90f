# status: INCORRECT_NUMERICAL
# naive: passes
"""Zeroes its input first: a reference that is computed afterwards has an easy question."""

import torch
import triton
import triton.language as tl


@triton.jit
def _fill_kernel(y_ptr, value, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offs, value, mask=offs < n)


def _fill(y, value):
    _fill_kernel[(triton.cdiv(y.numel(), 1024),)](y, value, y.numel(), BLOCK=1024)
    return y


def row_softmax(x):
    _fill(x, 0.0)
    return _fill(torch.empty_like(x), 1.0 / x.shape[1])
