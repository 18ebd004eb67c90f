# status: PASSED
# problem: take_rows
"""Takes indices as they come and moves bfloat16 as raw 16-bit integers."""

import torch
import triton
import triton.language as tl


@triton.jit
def _take_kernel(index_ptr, table_ptr, rows_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    picked = tl.load(index_ptr + row)
    values = tl.load(table_ptr + picked * n_cols + offs, mask=offs < n_cols, other=0)
    tl.store(rows_ptr + row * n_cols + offs, values, mask=offs < n_cols)


def take_rows(index, table):
    rows = torch.empty((index.shape[0], table.shape[1]), dtype=table.dtype, device=table.device)
    grid = (index.shape[0], triton.cdiv(table.shape[1], 64))
    _take_kernel[grid](
        index, table.view(torch.int16), rows.view(torch.int16), table.shape[1], BLOCK=64
    )
    return rows
