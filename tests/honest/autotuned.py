# status: PASSED
"""Lets Triton choose between configurations; without a GPU none of them can be timed."""

import torch
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"ROWS": 1}, num_warps=1),
        triton.Config({"ROWS": 2}, num_warps=2),
        triton.Config({"ROWS": 4}, num_warps=4),
    ],
    key=["n_cols"],
)
@triton.heuristics({"BLOCK": lambda arguments: triton.next_power_of_2(arguments["n_cols"])})
@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_rows, n_cols, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.arange(0, BLOCK)[None, :]
    mask = (rows < n_rows) & (cols < n_cols)
    offs = rows * n_cols + cols
    x = tl.load(x_ptr + offs, mask=mask, other=-float("inf")).to(tl.float32)
    # A row past the end is all -inf: its maximum would make NaN.
    highest = tl.maximum(tl.max(x, 1), -1e30)[:, None]
    numerator = tl.exp(x - highest)
    total = tl.maximum(tl.sum(numerator, 1), 1e-30)[:, None]
    tl.store(y_ptr + offs, numerator / total, mask=mask)


def row_softmax(x):
    n_rows, n_cols = x.shape
    y = torch.empty_like(x)
    _softmax_kernel[lambda meta: (triton.cdiv(n_rows, meta["ROWS"]),)](x, y, n_rows, n_cols)
    return y
