# status: PASSED
# problem: double_strided
"""Copies its input into order first and works on it as one long row."""

import torch
import triton
import triton.language as tl


@triton.jit
def _double_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offs, tl.load(x_ptr + offs, mask=offs < n) * 2.0, mask=offs < n)


def double_strided(x):
    flat = x.contiguous().view(-1)
    y = torch.empty_like(flat)
    _double_kernel[(triton.cdiv(flat.numel(), 1024),)](flat, y, flat.numel(), BLOCK=1024)
    return y.reshape(x.shape)
