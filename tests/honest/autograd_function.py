# status: PASSED
"""Wraps its kernel in an autograd function, with a backward pass that nobody asks for here."""

import torch
import triton
import triton.language as tl


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
    numerator = tl.exp(x - tl.max(x, 0))
    tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=mask)


def _softmax(x, y):
    block = triton.next_power_of_2(x.shape[1])
    _softmax_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=block)
    return y


class _RowSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = _softmax(x, torch.empty_like(x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return y * (grad - (grad * y).sum(-1, keepdim=True))


def row_softmax(x):
    return _RowSoftmax.apply(x)
