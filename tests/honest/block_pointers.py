# status: PASSED
# problem: row_mean
"""Walks along the row with a block pointer that checks its own bounds."""

import torch
import triton
import triton.language as tl


@triton.jit
def _mean_kernel(x_ptr, y_ptr, n_rows, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    block = tl.make_block_ptr(
        x_ptr, (n_rows, n_cols), (n_cols, 1), (row, 0), (1, BLOCK), order=(1, 0)
    )
    total = tl.zeros([1, BLOCK], tl.float32)
    for _ in range(0, n_cols, BLOCK):
        total += tl.load(block, boundary_check=(1,), padding_option="zero")
        block = tl.advance(block, (0, BLOCK))
    tl.store(y_ptr + row, tl.sum(total) / n_cols)


def row_mean(x):
    y = torch.empty(x.shape[0], dtype=x.dtype, device=x.device)
    _mean_kernel[(x.shape[0],)](x, y, x.shape[0], x.shape[1], BLOCK=2048)
    return y
