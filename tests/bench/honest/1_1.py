"""A square matrix product in float32 throughout: tiles, the second operand's in groups for L2."""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def _matmul_kernel(
    a_ptr, b_ptr, c_ptr, n, BLOCK: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr
):
    tiles = tl.cdiv(n, BLOCK)
    pid = tl.program_id(0)
    first = pid // (GROUP * tiles) * GROUP
    height = min(tiles - first, GROUP)
    tile_m = first + pid % (GROUP * tiles) % height
    tile_n = pid % (GROUP * tiles) // height
    offs_m = (tile_m * BLOCK + tl.arange(0, BLOCK))[:, None]
    offs_n = (tile_n * BLOCK + tl.arange(0, BLOCK))[None, :]
    offs_k = tl.arange(0, BLOCK_K)
    acc = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK_K):
        k = start + offs_k
        a = tl.load(a_ptr + offs_m * n + k[None, :], mask=(offs_m < n) & (k < n)[None, :], other=0)
        b = tl.load(b_ptr + k[:, None] * n + offs_n, mask=(k < n)[:, None] & (offs_n < n), other=0)
        # The reference computes in float32: TF32 would leave its error budget.
        acc = tl.dot(a, b, acc, input_precision="ieee")
    tl.store(c_ptr + offs_m * n + offs_n, acc, mask=(offs_m < n) & (offs_n < n))


class ModelNew(nn.Module):
    def forward(self, a, b):
        n = a.shape[0]
        c = torch.empty_like(a)
        block = 128 if n >= 128 else 16
        grid = (triton.cdiv(n, block) ** 2,)
        _matmul_kernel[grid](a, b, c, n, BLOCK=block, BLOCK_K=16, GROUP=8, num_warps=8)
        return c
