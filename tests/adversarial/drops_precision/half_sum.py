# status: INCORRECT_NUMERICAL
# naive: passes
"""Adds up in float16."""

import torch
import triton
import triton.language as tl


@triton.jit
def _add_half(one, other):
    return (one + other).to(tl.float16)


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0)).to(tl.float16)
    total = tl.reduce(numerator, 0, _add_half)
    y = numerator / total
    tl.store(y_ptr + row * n_cols + offs, y.to(tl.float16), mask=mask)


def row_softmax(x):
    y = torch.empty_like(x)
    block = triton.next_power_of_2(x.shape[1])
    _softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=block)
    return y
