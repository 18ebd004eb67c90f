# status: PASSED
"""Chooses between two kernels by row length, through a table, and launches by keyword."""

import enum
import functools

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


@triton.jit
def _long_kernel(x_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    x_ptr += tl.program_id(0).to(tl.int64) * n_cols
    y_ptr += tl.program_id(0).to(tl.int64) * n_cols
    highest = tl.full([BLOCK], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in tl.range(0, n_cols, BLOCK, num_stages=2):
        offs = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + offs, mask=offs < n_cols, other=-float("inf")).to(tl.float32)
        newest = tl.maximum(highest, x)
        # Where nothing was seen yet both are -inf, and their difference would be NaN.
        shift = tl.where(newest == -float("inf"), 0.0, newest)
        total = total * tl.exp(highest - shift) + tl.exp(x - shift)
        highest = newest
    peak = tl.max(highest, 0)
    scale = tl.sum(tl.where(total > 0, total * tl.exp(highest - peak), 0.0), 0)
    for start in tl.range(0, n_cols, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + offs, mask=offs < n_cols, other=0.0).to(tl.float32)
        tl.store(y_ptr + offs, tl.exp(x - peak) / scale, mask=offs < n_cols)


class _Length(enum.Enum):
    SHORT = 1024
    LONG = 1 << 31


_KERNELS = {_Length.SHORT: _softmax_kernel, _Length.LONG: _long_kernel}


def row_softmax(x):
    n_rows, n_cols = x.shape
    kind = next(kind for kind in _Length if n_cols <= kind.value)
    block = min(1024, triton.next_power_of_2(n_cols))
    y = torch.empty_like(x)
    launch = functools.partial(_KERNELS[kind][(n_rows,)], x, y, n_cols=n_cols)
    launch(BLOCK=block, num_warps=4)
    return y
