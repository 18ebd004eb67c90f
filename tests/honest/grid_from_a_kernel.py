# status: PASSED
# problem: relu
"""Its first kernel counts, and its host code reads the count to pick what runs next."""

import torch
import triton
import triton.language as tl


@triton.jit
def _count_kernel(x_ptr, count_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n, other=-1.0)
    tl.atomic_add(count_ptr, tl.sum((x >= 0.0).to(tl.int32), 0))


@triton.jit
def _relu_kernel(x_ptr, y_ptr, n, SOME: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.zeros([BLOCK], tl.float32)
    if SOME:
        x = tl.load(x_ptr + offs, mask=offs < n)
        y = tl.maximum(x, 0.0)
    tl.store(y_ptr + offs, y, mask=offs < n)


def relu(x):
    y = torch.empty_like(x)
    n = x.numel()
    count = torch.zeros(1, dtype=torch.int32, device=x.device)
    grid = (triton.cdiv(n, 1024),)
    if n:
        _count_kernel[grid](x, count, n, BLOCK=1024)
        _relu_kernel[grid](x, y, n, SOME=int(count[0]) > 0, BLOCK=1024)
    return y
