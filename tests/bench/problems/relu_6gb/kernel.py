"""ReLU, element by element."""

import torch
import triton
import triton.language as tl


@triton.jit
def _relu_kernel(x_ptr, y_ptr, n_elements, BLOCK: tl.constexpr):
    # 64-bit offsets: the tensor has more elements than 2^30.
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n_elements
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(y_ptr + offs, tl.where(x > 0, x, 0.0), mask=mask)


def relu(x):
    y = torch.empty_like(x)
    n_elements = x.numel()
    block = 4096
    _relu_kernel[(triton.cdiv(n_elements, block),)](x, y, n_elements, BLOCK=block, num_warps=8)
    return y
