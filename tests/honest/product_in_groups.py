# status: PASSED
# problem: matmul
"""Walks over tiles in groups that share rows, with one grid axis, in full float32."""

import triton
import triton.language as tl


@triton.jit
def _matmul_kernel(
    a_ptr, b_ptr, c_ptr, m, n, k, BLOCK: tl.constexpr, K_BLOCK: tl.constexpr, GROUP: tl.constexpr
):
    program = tl.program_id(0)
    down, across = tl.cdiv(m, BLOCK), tl.cdiv(n, BLOCK)
    row_tile, col_tile = tl.swizzle2d(program // across, program % across, down, across, GROUP)
    rows = row_tile * BLOCK + tl.arange(0, BLOCK)
    cols = col_tile * BLOCK + tl.arange(0, BLOCK)
    inner = tl.arange(0, K_BLOCK)
    a_ptrs = a_ptr + rows[:, None] * k + inner[None, :]
    b_ptrs = b_ptr + inner[:, None] * n + cols[None, :]
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, tl.cdiv(k, K_BLOCK)):
        left = k - start * K_BLOCK
        a = tl.load(a_ptrs, mask=(rows[:, None] < m) & (inner[None, :] < left), other=0.0)
        b = tl.load(b_ptrs, mask=(inner[:, None] < left) & (cols[None, :] < n), other=0.0)
        total += tl.dot(a, b, input_precision="ieee")
        a_ptrs += K_BLOCK
        b_ptrs += K_BLOCK * n
    mask = (rows[:, None] < m) & (cols[None, :] < n)
    tl.store(c_ptr + rows[:, None] * n + cols[None, :], total, mask=mask)


def matmul(a, b):
    (m, k), n = a.shape, b.shape[1]
    c = a.new_empty(m, n)
    grid = (triton.cdiv(m, 32) * triton.cdiv(n, 32),)
    _matmul_kernel[grid](a, b, c, m, n, k, BLOCK=32, K_BLOCK=16, GROUP=4, num_warps=4)
    return c
