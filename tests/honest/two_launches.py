# status: PASSED
"""Two kernels with float32 scratch between them, kept from call to call: an honest cache."""

import torch
import triton
import triton.language as tl

_SCRATCH = {}


@triton.jit
def _safe_exp(x, highest):
    return tl.exp(x - highest)


@triton.jit
def _reduce_kernel(x_ptr, stats_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + offs, mask=offs < n_cols, other=-float("inf"))
    x = x.to(tl.float32)
    highest = tl.max(x, 0)
    tl.store(stats_ptr + 2 * row, highest)
    tl.store(stats_ptr + 2 * row + 1, tl.sum(_safe_exp(x, highest), 0))


@triton.jit
def _scale_kernel(x_ptr, stats_ptr, y_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=0.0).to(tl.float32)
    highest = tl.load(stats_ptr + 2 * row)
    total = tl.load(stats_ptr + 2 * row + 1)
    tl.store(y_ptr + row * n_cols + offs, _safe_exp(x, highest) / total, mask=mask)


def row_softmax(x):
    n_rows, n_cols = x.shape
    key = (n_rows, x.device)
    if key not in _SCRATCH:
        _SCRATCH[key] = torch.zeros(n_rows, 2, dtype=torch.float32, device=x.device)
    stats, y = _SCRATCH[key], torch.empty_like(x)
    _reduce_kernel[(n_rows,)](x, stats, n_cols, BLOCK=triton.next_power_of_2(n_cols))
    _scale_kernel[(n_rows, triton.cdiv(n_cols, 64))](x, stats, y, n_cols, BLOCK=64)
    return y
