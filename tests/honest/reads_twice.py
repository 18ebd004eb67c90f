# status: PASSED
# problem: relu
"""Reads its input twice, through two names for one pointer."""

import torch
import triton
import triton.language as tl


@triton.jit
def _relu_kernel(x_ptr, also_x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    sign = tl.load(x_ptr + offs, mask=mask, other=0.0) > 0
    x = tl.load(also_x_ptr + offs, mask=mask & sign, other=0.0)
    tl.store(y_ptr + offs, x, mask=mask)


def relu(x):
    y = torch.empty_like(x)
    if x.numel() > 0:
        _relu_kernel[(triton.cdiv(x.numel(), 512),)](x, x, y, x.numel(), BLOCK=512)
    return y
