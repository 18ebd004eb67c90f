# status: PASSED
# problem: linear_relu
"""The problem lends it the library's product; bias and positive part are its own."""

import torch
import triton
import triton.language as tl


@triton.jit
def _bias_relu_kernel(y_ptr, bias_ptr, n_cols, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    y = tl.load(y_ptr + offs, mask=mask) + tl.load(bias_ptr + offs % n_cols, mask=mask)
    tl.store(y_ptr + offs, tl.maximum(y, 0.0), mask=mask)


def linear_relu(x, w, bias):
    y = torch.mm(x, w)
    _bias_relu_kernel[(triton.cdiv(y.numel(), 1024),)](y, bias, w.shape[1], y.numel(), BLOCK=1024)
    return y
