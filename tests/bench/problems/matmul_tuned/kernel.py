"""Matrix product, one tile of the result a program, tiles in groups that share L2."""

import torch
import triton
import triton.language as tl

TUNABLES = {
    "BLOCK_M": [64, 128, 256],
    "BLOCK_N": [64, 128, 256],
    "BLOCK_K": [32, 64],
    "num_warps": [4, 8],
    "num_stages": [3, 4],
}
CONFIG = {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32, "num_warps": 4, "num_stages": 3}


def pick_config(a, b):
    """The tile and its schedule for these matrices."""
    return CONFIG


@triton.jit
def _matmul_kernel(
    a_ptr,
    b_ptr,
    c_ptr,
    M,
    N,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    tile = tl.program_id(0)
    group = tile // (GROUP_M * tiles_n)
    first_m = group * GROUP_M
    rows_here = tl.minimum(tiles_m - first_m, GROUP_M)
    within = tile % (GROUP_M * tiles_n)
    offs_m = ((first_m + within % rows_here) * BLOCK_M + tl.arange(0, BLOCK_M)).to(tl.int64)
    offs_n = ((within // rows_here) * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    offs_k = tl.arange(0, BLOCK_K)
    accumulator = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, K, BLOCK_K):
        inner = start + offs_k
        a_mask = (offs_m[:, None] < M) & (inner[None, :] < K)
        b_mask = (inner[:, None] < K) & (offs_n[None, :] < N)
        a = tl.load(a_ptr + offs_m[:, None] * K + inner[None, :], mask=a_mask, other=0.0)
        b = tl.load(b_ptr + inner[:, None] * N + offs_n[None, :], mask=b_mask, other=0.0)
        accumulator = tl.dot(a, b, accumulator)
    c_mask = (offs_m[:, None] < M) & (offs_n[None, :] < N)
    tl.store(c_ptr + offs_m[:, None] * N + offs_n[None, :], accumulator.to(tl.float16), mask=c_mask)


def matmul(a, b):
    """a @ b for contiguous float16 matrices, accumulated in float32."""
    M, K = a.shape
    N = b.shape[1]
    c = torch.empty((M, N), dtype=a.dtype, device=a.device)
    config = pick_config(a, b)
    tiles = triton.cdiv(M, config["BLOCK_M"]) * triton.cdiv(N, config["BLOCK_N"])
    _matmul_kernel[(tiles,)](a, b, c, M, N, K, GROUP_M=8, **config)
    return c
