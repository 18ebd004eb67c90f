# status: PASSED
# problem: double_strided
"""Asks its input for its strides."""

import torch
import triton
import triton.language as tl


@triton.jit
def _double_kernel(x_ptr, y_ptr, stride_m, stride_n, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * stride_m + offs * stride_n, mask=mask)
    tl.store(y_ptr + row * n_cols + offs, x + x, mask=mask)


def double_strided(x):
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    grid = (x.shape[0], triton.cdiv(x.shape[1], 256))
    _double_kernel[grid](x, y, x.stride(0), x.stride(1), x.shape[1], BLOCK=256)
    return y
