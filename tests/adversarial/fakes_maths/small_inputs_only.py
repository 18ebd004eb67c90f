# status: INCORRECT_NUMERICAL
# naive: passes
"""Leaves out the maximum: right for ordinary inputs, infinite for large ones."""

import torch
import triton
import triton.language as tl


@triton.jit
def _unsafe_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * n_cols + tl.arange(0, BLOCK)
    mask = tl.arange(0, BLOCK) < n_cols
    e = tl.exp(tl.load(x_ptr + offs, mask=mask, other=-float("inf")).to(tl.float32))
    tl.store(y_ptr + offs, e / tl.sum(e, 0), mask=mask)


def row_softmax(x):
    y = torch.empty_like(x)
    _unsafe_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
