# status: INCORRECT_NUMERICAL
# naive: passes
"""Takes (1 + x / 64) to the 64th for the exponential: cheap, and near enough at first sight."""

import torch
import triton
import triton.language as tl


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.maximum(1.0 + (x - tl.max(x, 0)) * 0.015625, 0.0)
    for _ in tl.static_range(6):
        numerator = numerator * numerator
    tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=mask)


def _softmax(x, y):
    block = triton.next_power_of_2(x.shape[1])
    _softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=block)
    return y


def row_softmax(x):
    return _softmax(x, torch.empty_like(x))
