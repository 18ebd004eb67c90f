# status: PASSED
"""Uses the softmax of triton.language, two-dimensional, and optional imports."""

import torch
import triton
import triton.language as tl

try:
    from triton.tools.tensor_descriptor import TensorDescriptor
except ImportError:
    TensorDescriptor = None


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_rows, n_cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.arange(0, COLS)[None, :]
    mask = (rows < n_rows) & (cols < n_cols)
    # Rows past the end are all zero, so that none of them is made of -inf alone.
    fill = tl.where(rows < n_rows, -float("inf"), 0.0)
    x = tl.load(x_ptr + rows * n_cols + cols, mask=mask, other=0.0).to(tl.float32)
    y = tl.softmax(tl.where(mask, x, fill), 1, keep_dims=True)
    tl.store(y_ptr + rows * n_cols + cols, y, mask=mask)


def row_softmax(x):
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    n_rows, n_cols = x.shape
    cols = triton.next_power_of_2(n_cols)
    _softmax_kernel[(triton.cdiv(n_rows, 2),)](x, y, n_rows, n_cols, ROWS=2, COLS=cols)
    return y
