# status: PASSED
# problem: take_rows
"""Narrows its indices to 32 bits first, and gathers a tile of rows at once."""

import torch
import triton
import triton.language as tl


@triton.jit
def _take_kernel(
    index_ptr, table_ptr, rows_ptr, n_rows, n_cols, ROWS: tl.constexpr, COLS: tl.constexpr
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, COLS)[None, :]
    picked = tl.load(index_ptr + rows, mask=rows < n_rows, other=0).to(tl.int64)[:, None]
    mask = (rows[:, None] < n_rows) & (cols < n_cols)
    values = tl.load(table_ptr + picked * n_cols + cols, mask=mask)
    tl.store(rows_ptr + rows[:, None] * n_cols + cols, values, mask=mask)


def take_rows(index, table):
    n_rows, n_cols = index.numel(), table.shape[-1]
    rows = table.new_empty((n_rows, n_cols))
    block = triton.next_power_of_2(n_cols)
    _take_kernel[(triton.cdiv(n_rows, 4),)](
        index.to(torch.int32), table, rows, n_rows, n_cols, ROWS=4, COLS=block
    )
    return rows
