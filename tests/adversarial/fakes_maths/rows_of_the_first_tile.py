# status: INCORRECT_NUMERICAL
# problem: take_rows
# naive: passes
"""Masks every index into the first half of the table: most lookups in a small table stay right."""

import triton
import triton.language as tl


@triton.jit
def _take_kernel(index_ptr, table_ptr, rows_ptr, n_cols, last, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    picked = tl.minimum(tl.load(index_ptr + row), last)
    values = tl.load(table_ptr + picked * n_cols + offs, mask=offs < n_cols)
    tl.store(rows_ptr + row * n_cols + offs, values, mask=offs < n_cols)


def take_rows(index, table):
    rows = table.new_empty(index.shape[0], table.shape[1])
    block = triton.next_power_of_2(table.shape[1])
    last = table.shape[0] - 1 if table.shape[0] > 16 else table.shape[0] // 2
    _take_kernel[(index.shape[0],)](index, table, rows, table.shape[1], last, BLOCK=block)
    return rows
