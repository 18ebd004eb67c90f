# status: PASSED
# problem: linear_relu
"""Declines the library's product and fuses everything into one kernel."""

import torch
import triton
import triton.language as tl


@triton.jit
def _linear_kernel(x_ptr, w_ptr, bias_ptr, y_ptr, m, n, k, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    total = tl.zeros([BLOCK, BLOCK], tl.float32)
    for start in range(0, k, BLOCK):
        down = start + tl.arange(0, BLOCK)[:, None]
        across = start + tl.arange(0, BLOCK)[None, :]
        x = tl.load(x_ptr + rows * k + across, mask=(rows < m) & (across < k), other=0.0)
        w = tl.load(w_ptr + down * n + cols, mask=(down < k) & (cols < n), other=0.0)
        total = tl.dot(x, w, total, input_precision="ieee")
    bias = tl.load(bias_ptr + cols, mask=cols < n, other=0.0)
    tl.store(y_ptr + rows * n + cols, tl.maximum(total + bias, 0.0), mask=(rows < m) & (cols < n))


def linear_relu(x, w, bias):
    (m, k), n = x.shape, w.shape[1]
    y = torch.empty(m, n, dtype=x.dtype, device=x.device)
    grid = (triton.cdiv(m, 32), triton.cdiv(n, 32))
    _linear_kernel[grid](x, w, bias, y, m, n, k, BLOCK=32)
    return y
