# status: INCORRECT_NUMERICAL
# problem: row_mean
# device: cuda
# naive: passes
"""Many programs add to one sum without atomics; one after another they would be right."""

import torch
import triton
import triton.language as tl


@triton.jit
def _racing_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + offs, mask=offs < n_cols, other=0.0)
    share = tl.sum(x, 0) / n_cols
    tl.store(y_ptr + row, tl.load(y_ptr + row) + share)


def row_mean(x):
    y = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
    grid = (x.shape[0], triton.cdiv(x.shape[1], 1024))
    _racing_kernel[grid](x, y, x.shape[1], BLOCK=1024)
    return y
