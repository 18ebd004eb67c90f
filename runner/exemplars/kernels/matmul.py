"""Matrix product with grouped tile order and an epilogue on the accumulator."""

import torch
import triton
import triton.language as tl

TUNABLES = {
    "BLOCK_M": [64, 128, 256],
    "BLOCK_N": [64, 128, 256],
    "BLOCK_K": [32, 64],
    "GROUP_M": [4, 8, 16],
    "num_warps": [4, 8],
    "num_stages": [3, 4],
}
CONFIG = {
    "BLOCK_M": 128,
    "BLOCK_N": 256,
    "BLOCK_K": 64,
    "GROUP_M": 8,
    "num_warps": 8,
    "num_stages": 3,
}


def pick_config(a, b):
    return CONFIG


@triton.jit
def _epilogue(acc, offs_m, offs_n):
    """What is done to the float32 accumulator [BLOCK_M, BLOCK_N] before it is rounded."""
    return acc


@triton.jit
def _grouped_tile(pid, tiles_m, tiles_n, GROUP_M: tl.constexpr):
    """Tile (m, n) of program `pid`: GROUP_M rows of tiles share the columns of b in L2."""
    per_group = GROUP_M * tiles_n
    first_m = pid // per_group * GROUP_M
    group_m = tl.minimum(tiles_m - first_m, GROUP_M)
    return first_m + pid % per_group % group_m, pid % per_group // group_m


@triton.jit
def _matmul_kernel(
    a_ptr,
    b_ptr,
    c_ptr,
    M,
    N,
    K,
    stride_am,
    stride_ak,
    stride_bk,
    stride_bn,
    stride_cm,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    EVEN_K: tl.constexpr,
):
    """One tile of c = a b. EVEN_K: K is a multiple of BLOCK_K, and no load is masked."""
    tile_m, tile_n = _grouped_tile(
        tl.program_id(0), tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N), GROUP_M
    )
    offs_m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    offs_n = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    offs_k = tl.arange(0, BLOCK_K)
    # Rows past the end wrap around to rows that exist: their products are never stored, and the
    # loop needs no mask for them. int64: an offset passes 2**31 elements in large matrices.
    a_ptrs = a_ptr + (offs_m % M).to(tl.int64)[:, None] * stride_am + offs_k[None, :] * stride_ak
    b_ptrs = b_ptr + (offs_n % N).to(tl.int64)[None, :] * stride_bn + offs_k[:, None] * stride_bk
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
    c = _epilogue(acc, offs_m, offs_n)
    tl.store(
        c_ptr + offs_m.to(tl.int64)[:, None] * stride_cm + offs_n[None, :],
        c.to(c_ptr.dtype.element_ty),
        mask=(offs_m[:, None] < M) & (offs_n[None, :] < N),
    )


def _check_inputs(a, b):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a must be [M, K] and b [K, N], not {tuple(a.shape)}, {tuple(b.shape)}")
    if a.dtype not in (torch.float16, torch.bfloat16) or b.dtype != a.dtype:
        raise ValueError(f"a and b must both be float16 or bfloat16, not {a.dtype}, {b.dtype}")
    if a.device != b.device:
        raise ValueError(f"a is on {a.device}, but b is on {b.device}")


def matmul(a, b):
    """a b for float16 or bfloat16 a [M, K] and b [K, N] with any strides, accumulated in float32.

    The result is a contiguous [M, N] of the inputs' dtype. Raises ValueError for anything else.
    """
    _check_inputs(a, b)
    (M, K), N = a.shape, b.shape[1]
    c = torch.empty((M, N), dtype=a.dtype, device=a.device)
    if c.numel() == 0:
        return c
    config = pick_config(a, b)
    tiles = triton.cdiv(M, config["BLOCK_M"]) * triton.cdiv(N, config["BLOCK_N"])
    _matmul_kernel[(tiles,)](
        a,
        b,
        c,
        M,
        N,
        K,
        *a.stride(),
        *b.stride(),
        c.stride(0),
        EVEN_K=K % config["BLOCK_K"] == 0,
        **config,
    )
    return c
