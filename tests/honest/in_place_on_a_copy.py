# status: PASSED
# problem: relu
"""Works in place, on a copy of its own."""

import torch
import triton
import triton.language as tl


@triton.jit
def _relu_kernel(y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    y = tl.load(y_ptr + offs, mask=offs < n)
    tl.store(y_ptr + offs, tl.maximum(y, 0.0), mask=offs < n)


def relu(x):
    y = x.clone(memory_format=torch.contiguous_format)
    if y.numel():
        _relu_kernel[(triton.cdiv(y.numel(), 1024),)](y, y.numel(), BLOCK=1024)
    return y
