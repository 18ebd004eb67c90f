# status: PASSED
# problem: matmul_bfloat16
"""Multiplies in bfloat16 on the tensor cores, as its inputs are, and adds up in float32."""

import torch
import triton
import triton.language as tl


@triton.jit
def _matmul_kernel(a_ptr, b_ptr, c_ptr, m, n, k, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    total = tl.zeros([BLOCK, BLOCK], tl.float32)
    for start in range(0, k, BLOCK):
        down = start + tl.arange(0, BLOCK)[:, None]
        across = start + tl.arange(0, BLOCK)[None, :]
        a = tl.load(a_ptr + rows * k + across, mask=(rows < m) & (across < k), other=0.0)
        b = tl.load(b_ptr + down * n + cols, mask=(down < k) & (cols < n), other=0.0)
        total = tl.dot(a, b, total)
    tl.store(c_ptr + rows * n + cols, total, mask=(rows < m) & (cols < n))


def matmul_bfloat16(a, b):
    (m, k), n = a.shape, b.shape[1]
    c = torch.empty(m, n, dtype=torch.float32, device=a.device)
    _matmul_kernel[(triton.cdiv(m, 32), triton.cdiv(n, 32))](a, b, c, m, n, k, BLOCK=32)
    return c
