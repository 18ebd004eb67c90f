# status: PASSED
# problem: masked_fill
"""Two launches and a list of outputs, one of them a slice of a larger buffer."""

import torch
import triton
import triton.language as tl


@triton.jit
def _fill_kernel(x_ptr, mask_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    keep = tl.load(mask_ptr + offs, mask=offs < n, other=0) != 0
    tl.store(y_ptr + offs, tl.load(x_ptr + offs, mask=keep & (offs < n), other=-1), mask=offs < n)


@triton.jit
def _kept_kernel(x_ptr, mask_ptr, kept_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    keep = tl.load(mask_ptr + offs, mask=offs < n, other=0) != 0
    x = tl.load(x_ptr + offs, mask=offs < n, other=0)
    tl.store(kept_ptr + offs, (keep & (x != 0)).to(tl.int8), mask=offs < n)


def masked_fill(x, mask):
    n = x.numel()
    room = torch.empty(2, n, dtype=x.dtype, device=x.device)
    y, kept = room[0], torch.empty(n, dtype=torch.bool, device=x.device)
    grid = (triton.cdiv(n, 1024),)
    _fill_kernel[grid](x, mask, y, n, BLOCK=1024)
    _kept_kernel[grid](x, mask, kept, n, BLOCK=1024)
    return [y, kept]
