# status: PASSED
# problem: relu
"""Its host code reads one element and picks a branch; zeros would take the other."""

import torch
import triton
import triton.language as tl


@triton.jit
def _relu_kernel(x_ptr, y_ptr, n, POSITIVE: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n)
    if POSITIVE:
        x = tl.where(x > 0.0, x, 0.0)
        y = x
    else:
        y = tl.maximum(x, 0.0)
    tl.store(y_ptr + offs, y, mask=offs < n)


def relu(x):
    y = torch.empty_like(x)
    n = x.numel()
    if n:
        positive = float(x[0]) > 0.0
        _relu_kernel[(triton.cdiv(n, 1024),)](x, y, n, POSITIVE=positive, BLOCK=1024)
    return y
