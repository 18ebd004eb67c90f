# status: PASSED
# problem: masked_fill
"""Integers and booleans, and two outputs from one launch, as a tuple."""

import torch
import triton
import triton.language as tl


@triton.jit
def _fill_kernel(x_ptr, mask_ptr, y_ptr, kept_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offs < n
    x = tl.load(x_ptr + offs, mask=inside, other=0)
    keep = tl.load(mask_ptr + offs, mask=inside, other=0).to(tl.int1)
    tl.store(y_ptr + offs, tl.where(keep, x, -1), mask=inside)
    tl.store(kept_ptr + offs, keep & (x != 0), mask=inside)


def masked_fill(x, mask):
    y, kept = torch.empty_like(x), torch.empty_like(mask)
    _fill_kernel[(triton.cdiv(x.numel(), 2048),)](x, mask, y, kept, x.numel(), BLOCK=2048)
    return y, kept
