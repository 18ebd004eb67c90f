"""Batched matrix product: all tiles of all batches in one launch."""

import torch
import triton
import triton.language as tl

TUNABLES = {
    "BLOCK_M": [64, 128],
    "BLOCK_N": [64, 128, 256],
    "BLOCK_K": [32, 64],
    "GROUP_M": [4, 8],
    "num_warps": [4, 8],
    "num_stages": [3, 4],
}
CONFIG = {
    "BLOCK_M": 128,
    "BLOCK_N": 128,
    "BLOCK_K": 64,
    "GROUP_M": 8,
    "num_warps": 8,
    "num_stages": 3,
}


def pick_config(a, b):
    return CONFIG


@triton.jit
def _grouped_tile(pid, tiles_m, tiles_n, GROUP_M: tl.constexpr):
    """Tile (m, n) of program `pid`: GROUP_M rows of tiles share the columns of b in L2."""
    per_group = GROUP_M * tiles_n
    first_m = pid // per_group * GROUP_M
    group_m = tl.minimum(tiles_m - first_m, GROUP_M)
    return first_m + pid % per_group % group_m, pid % per_group // group_m


@triton.jit
def _batched_matmul_kernel(
    a_ptr,
    b_ptr,
    c_ptr,
    M,
    N,
    K,
    stride_ab,
    stride_am,
    stride_ak,
    stride_bb,
    stride_bk,
    stride_bn,
    stride_cb,
    stride_cm,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    EVEN_K: tl.constexpr,
):
    """One tile of one batch. EVEN_K: K is a multiple of BLOCK_K, and no load is masked."""
    tiles_m = tl.cdiv(M, BLOCK_M)
    tiles_n = tl.cdiv(N, BLOCK_N)
    # Batches follow each other: the matrices of one are in L2 while its tiles are computed.
    # int64: the offset of a batch passes 2**31 elements in large tensors.
    batch = (tl.program_id(0) // (tiles_m * tiles_n)).to(tl.int64)
    tile = tl.program_id(0) % (tiles_m * tiles_n)
    tile_m, tile_n = _grouped_tile(tile, tiles_m, tiles_n, GROUP_M)
    offs_m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    offs_n = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    offs_k = tl.arange(0, BLOCK_K)
    # Rows past the end wrap around to rows that exist: their products are never stored.
    a_ptrs = a_ptr + batch * stride_ab
    a_ptrs += (offs_m % M).to(tl.int64)[:, None] * stride_am + offs_k[None, :] * stride_ak
    b_ptrs = b_ptr + batch * stride_bb
    b_ptrs += (offs_n % N).to(tl.int64)[None, :] * stride_bn + offs_k[:, None] * stride_bk
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, K, BLOCK_K):
        if EVEN_K:
            a = tl.load(a_ptrs)
            b = tl.load(b_ptrs)
        else:
            a = tl.load(a_ptrs, mask=offs_k[None, :] < K - start, other=0.0)
            b = tl.load(b_ptrs, mask=offs_k[:, None] < K - start, other=0.0)
        acc = tl.dot(a, b, acc)
        a_ptrs += BLOCK_K * stride_ak
        b_ptrs += BLOCK_K * stride_bk
    c_ptrs = c_ptr + batch * stride_cb + offs_m.to(tl.int64)[:, None] * stride_cm + offs_n[None, :]
    mask = (offs_m[:, None] < M) & (offs_n[None, :] < N)
    tl.store(c_ptrs, acc.to(c_ptr.dtype.element_ty), mask=mask)


def _check_inputs(a, b):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if a.dim() != 3 or b.dim() != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise ValueError(
            f"a must be [B, M, K] and b [B, K, N], not {tuple(a.shape)}, {tuple(b.shape)}"
        )
    if a.dtype not in (torch.float16, torch.bfloat16) or b.dtype != a.dtype:
        raise ValueError(f"a and b must both be float16 or bfloat16, not {a.dtype}, {b.dtype}")
    if a.device != b.device:
        raise ValueError(f"a is on {a.device}, but b is on {b.device}")


def batched_matmul(a, b):
    """a b for each batch: a [B, M, K] and b [B, K, N], float16 or bfloat16, with any strides.

    The result is a contiguous [B, M, N] of the inputs' dtype; products are accumulated in
    float32. Raises ValueError for anything else.
    """
    _check_inputs(a, b)
    (B, M, K), N = a.shape, b.shape[2]
    c = torch.empty((B, M, N), dtype=a.dtype, device=a.device)
    if c.numel() == 0:
        return c
    config = pick_config(a, b)
    tiles = triton.cdiv(M, config["BLOCK_M"]) * triton.cdiv(N, config["BLOCK_N"])
    _batched_matmul_kernel[(B * tiles,)](
        a,
        b,
        c,
        M,
        N,
        K,
        *a.stride(),
        *b.stride(),
        c.stride(0),
        c.stride(1),
        EVEN_K=K % config["BLOCK_K"] == 0,
        **config,
    )
    return c
