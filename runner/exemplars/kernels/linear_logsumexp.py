"""Linear layer and a reduction over its outputs: the product is never written to memory."""

import torch
import triton
import triton.language as tl

TUNABLES = {
    "BLOCK_M": [64, 128],
    "BLOCK_N": [128, 256],
    "BLOCK_K": [32, 64],
    "num_warps": [4, 8],
    "num_stages": [3, 4],
}
CONFIG = {"BLOCK_M": 128, "BLOCK_N": 256, "BLOCK_K": 64, "num_warps": 8, "num_stages": 3}
# Rows that one program of the second kernel combines.
COMBINE_ROWS = 32


def pick_config(x, weight, bias):
    return CONFIG


@triton.jit
def _partial_kernel(
    x_ptr,
    w_ptr,
    bias_ptr,
    max_ptr,
    sum_ptr,
    M,
    N,
    K,
    stride_xm,
    stride_xk,
    stride_wn,
    stride_wk,
    stride_bias,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Maximum and sum of exponentials of one tile's rows, into [tiles of N, M]."""
    # Programs next to each other share their rows of w, the larger matrix.
    tile_m = tl.program_id(0) % tl.cdiv(M, BLOCK_M)
    tile_n = tl.program_id(0) // tl.cdiv(M, BLOCK_M)
    offs_m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    offs_n = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    offs_k = tl.arange(0, BLOCK_K)
    # Rows past the end wrap around to rows that exist. int64: offsets pass 2**31 elements.
    x_ptrs = x_ptr + (offs_m % M).to(tl.int64)[:, None] * stride_xm + offs_k[None, :] * stride_xk
    w_ptrs = w_ptr + (offs_n % N).to(tl.int64)[None, :] * stride_wn + offs_k[:, None] * stride_wk
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, K, BLOCK_K):
        x = tl.load(x_ptrs, mask=offs_k[None, :] < K - start, other=0.0)
        w = tl.load(w_ptrs, mask=offs_k[:, None] < K - start, other=0.0)
        acc = tl.dot(x, w, acc)
        x_ptrs += BLOCK_K * stride_xk
        w_ptrs += BLOCK_K * stride_wk
    bias = tl.load(bias_ptr + offs_n * stride_bias, mask=offs_n < N, other=0.0).to(tl.float32)
    # Columns that do not exist must not count: the wrapped ones hold real products.
    y = tl.where(offs_n[None, :] < N, acc + bias[None, :], float("-inf"))
    largest = tl.max(y, 1)
    total = tl.sum(tl.exp(y - largest[:, None]), 1)
    offs = tile_n.to(tl.int64) * M + offs_m
    tl.store(max_ptr + offs, largest, mask=offs_m < M)
    tl.store(sum_ptr + offs, total, mask=offs_m < M)


@triton.jit
def _combine_kernel(max_ptr, sum_ptr, y_ptr, M, tiles_n, BLOCK_T: tl.constexpr, ROWS: tl.constexpr):
    """logsumexp of ROWS rows from their tiles: always in the same order, so always the same."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    tiles = tl.arange(0, BLOCK_T)
    offs = tiles[:, None].to(tl.int64) * M + rows[None, :]
    mask = (tiles[:, None] < tiles_n) & (rows[None, :] < M)
    maxima = tl.load(max_ptr + offs, mask=mask, other=float("-inf"))
    sums = tl.load(sum_ptr + offs, mask=mask, other=0.0)
    # Rows that do not exist have no maximum and no sum: keep them clear of inf - inf and log 0.
    largest = tl.where(rows < M, tl.max(maxima, 0), 0.0)
    total = tl.where(rows < M, tl.sum(sums * tl.exp(maxima - largest[None, :]), 0), 1.0)
    y = largest + tl.log(total)
    tl.store(y_ptr + rows, y.to(y_ptr.dtype.element_ty), mask=rows < M)


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[1] or not weight.shape[0]:
        raise ValueError(
            f"x must be [M, K] and weight [N, K] with N ≥ 1, not {tuple(x.shape)}, "
            f"{tuple(weight.shape)}"
        )
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{weight.shape[0]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16):
        raise ValueError(f"x must be float16 or bfloat16, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")


def linear_logsumexp(x, weight, bias):
    """log(sum over n of exp((x weightᵀ + bias)[m, n])) for each row m.

    x [M, K], weight [N, K] and bias [N] are float16 or bfloat16 with any strides; the result is
    [M] of the same dtype. Everything between is float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    (M, K), N = x.shape, weight.shape[0]
    y = torch.empty((M,), dtype=x.dtype, device=x.device)
    if M == 0:
        return y
    config = pick_config(x, weight, bias)
    tiles_m, tiles_n = triton.cdiv(M, config["BLOCK_M"]), triton.cdiv(N, config["BLOCK_N"])
    maxima = torch.empty((tiles_n, M), dtype=torch.float32, device=x.device)
    sums = torch.empty_like(maxima)
    _partial_kernel[(tiles_m * tiles_n,)](
        x,
        weight,
        bias,
        maxima,
        sums,
        M,
        N,
        K,
        *x.stride(),
        *weight.stride(),
        bias.stride(0),
        **config,
    )
    _combine_kernel[(triton.cdiv(M, COMBINE_ROWS),)](
        maxima,
        sums,
        y,
        M,
        tiles_n,
        BLOCK_T=triton.next_power_of_2(tiles_n),
        ROWS=COMBINE_ROWS,
        num_warps=4,
    )
    return y
