# status: PASSED
"""Loads rows through a tensor descriptor made on the host (TMA on Hopper).

A descriptor pads with zeros, so the columns past the end are masked by hand. Rows must be a
multiple of 16 bytes for TMA: others are copied into a wider buffer first.
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def _softmax_kernel(x_desc, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    x = x_desc.load([row, 0]).reshape(BLOCK).to(tl.float32)
    x = tl.where(cols < n_cols, x, -float("inf"))
    numerator = tl.exp(x - tl.max(x, 0))
    total = tl.sum(numerator, 0)
    tl.store(y_ptr + row * n_cols + cols, numerator / total, mask=cols < n_cols)


def row_softmax(x):
    n_rows, n_cols = x.shape
    y = torch.empty_like(x)
    source = x
    if n_cols % 64:
        source = torch.zeros(n_rows, n_cols + 64 - n_cols % 64, dtype=x.dtype, device=x.device)
        source[:, :n_cols].copy_(x)
    block = max(8, triton.next_power_of_2(n_cols))  # 16 bytes at least
    descriptor = TensorDescriptor(source, source.shape, source.stride(), [1, block])
    _softmax_kernel[(n_rows,)](descriptor, y, n_cols, BLOCK=block)
    return y
