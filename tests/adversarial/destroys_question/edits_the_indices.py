# status: INCORRECT_NUMERICAL
# problem: take_rows
# naive: passes
"""Points every index at row 0 and hands that row out."""

import triton
import triton.language as tl


@triton.jit
def _first_row_kernel(index_ptr, table_ptr, rows_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    tl.store(index_ptr + row, 0)
    values = tl.load(table_ptr + offs, mask=offs < n_cols)
    tl.store(rows_ptr + row * n_cols + offs, values, mask=offs < n_cols)


def take_rows(index, table):
    rows = table.new_empty(index.shape[0], table.shape[1])
    block = triton.next_power_of_2(table.shape[1])
    _first_row_kernel[(index.shape[0],)](index, table, rows, table.shape[1], BLOCK=block)
    return rows
