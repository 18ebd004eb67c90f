# status: PASSED
"""Works in base 2, unusual strides as arguments, an output that starts as zeros."""

from __future__ import annotations

import math
from typing import Final

import torch
import triton
import triton.language as tl

LOG2_E: Final = math.log2(math.e)


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, stride_x, stride_y, n_cols, scale, BLOCK: tl.constexpr):
    x_ptr += tl.program_id(0).to(tl.int64) * stride_x
    y_ptr += tl.program_id(0).to(tl.int64) * stride_y
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + offs, mask=mask, other=-float("inf")).to(tl.float32) * scale
    numerator = tl.exp2(x - tl.max(x, axis=0))
    y = numerator / tl.sum(numerator, axis=0)
    tl.store(y_ptr + offs, y.to(y_ptr.dtype.element_ty), mask=mask)


def row_softmax(x: torch.Tensor, /, *, block: int | None = None) -> torch.Tensor:
    y = torch.zeros_like(x)
    _softmax_kernel[(x.size(0), 1, 1)](
        x,
        y,
        x.stride(0),
        y.stride(0),
        x.size(1),
        LOG2_E,
        BLOCK=block or triton.next_power_of_2(x.size(1)),
        num_stages=1,
    )
    return y
