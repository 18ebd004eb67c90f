"""Linear layer, bias, GELU, scale and residual in one kernel, in float32 without losing bits."""

import torch
import triton
import triton.language as tl

SCALE = 0.5
INVERSE_SQRT2 = tl.constexpr(0.7071067811865476)

TUNABLES = {
    "BLOCK_M": [64, 128],
    "BLOCK_N": [64, 128],
    "BLOCK_K": [16, 32],
    "GROUP_M": [4, 8],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {
    "BLOCK_M": 128,
    "BLOCK_N": 128,
    "BLOCK_K": 32,
    "GROUP_M": 8,
    "num_warps": 8,
    "num_stages": 3,
}


def pick_config(x, weight, bias, residual):
    return CONFIG


@triton.jit
def _gelu(x):
    return 0.5 * x * (1.0 + tl.erf(x * INVERSE_SQRT2))


@triton.jit
def _linear_chain_kernel(
    x_ptr,
    w_ptr,
    bias_ptr,
    residual_ptr,
    y_ptr,
    M,
    N,
    K,
    scale,
    stride_xm,
    stride_xk,
    stride_wn,
    stride_wk,
    stride_bias,
    stride_rm,
    stride_rn,
    stride_ym,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """One tile of y = residual + scale * gelu(x wᵀ + bias)."""
    # Grouped order: GROUP_M rows of tiles share the rows of w in L2.
    per_group = GROUP_M * tl.cdiv(N, BLOCK_N)
    first_m = tl.program_id(0) // per_group * GROUP_M
    group_m = tl.minimum(tl.cdiv(M, BLOCK_M) - first_m, GROUP_M)
    tile_m = first_m + tl.program_id(0) % per_group % group_m
    tile_n = tl.program_id(0) % per_group // group_m

    offs_m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    offs_n = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    offs_k = tl.arange(0, BLOCK_K)
    # Rows past the end wrap around to rows that exist: their products are never stored.
    # int64: an offset passes 2**31 elements in large matrices.
    x_ptrs = x_ptr + (offs_m % M).to(tl.int64)[:, None] * stride_xm + offs_k[None, :] * stride_xk
    w_ptrs = w_ptr + (offs_n % N).to(tl.int64)[None, :] * stride_wn + offs_k[:, None] * stride_wk
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, K, BLOCK_K):
        x = tl.load(x_ptrs, mask=offs_k[None, :] < K - start, other=0.0)
        w = tl.load(w_ptrs, mask=offs_k[:, None] < K - start, other=0.0)
        # Three TF32 products keep float32's accuracy on tensor cores; one alone has 10 bits.
        # Operands of 16 bits are not changed by it.
        acc = tl.dot(x, w, acc, input_precision="tf32x3")
        x_ptrs += BLOCK_K * stride_xk
        w_ptrs += BLOCK_K * stride_wk

    mask = (offs_m[:, None] < M) & (offs_n[None, :] < N)
    rows = offs_m.to(tl.int64)[:, None]
    bias = tl.load(bias_ptr + offs_n * stride_bias, mask=offs_n < N, other=0.0).to(tl.float32)
    residual_ptrs = residual_ptr + rows * stride_rm + offs_n[None, :] * stride_rn
    residual = tl.load(residual_ptrs, mask=mask, other=0.0).to(tl.float32)
    y = residual + scale * _gelu(acc + bias[None, :])
    tl.store(y_ptr + rows * stride_ym + offs_n[None, :], y.to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, weight, bias, residual):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 2 or weight.dim() != 2:
        raise ValueError(
            f"x and weight must be matrices, not {tuple(x.shape)}, {tuple(weight.shape)}"
        )
    (M, K), N = x.shape, weight.shape[0]
    expected = (("weight", weight, (N, K)), ("bias", bias, (N,)), ("residual", residual, (M, N)))
    for name, tensor, shape in expected:
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must be {list(shape)}, not {tuple(tensor.shape)}")
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def linear_chain(x, weight, bias, residual):
    """residual + 0.5 * gelu(x weightᵀ + bias), with the exact GELU.

    x [M, K], weight [N, K], bias [N], residual [M, N], all of one floating dtype, any strides; the
    result is a contiguous [M, N]. Accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias, residual)
    (M, K), N = x.shape, weight.shape[0]
    y = torch.empty((M, N), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x, weight, bias, residual)
    tiles = triton.cdiv(M, config["BLOCK_M"]) * triton.cdiv(N, config["BLOCK_N"])
    _linear_chain_kernel[(tiles,)](
        x,
        weight,
        bias,
        residual,
        y,
        M,
        N,
        K,
        SCALE,
        *x.stride(),
        *weight.stride(),
        bias.stride(0),
        *residual.stride(),
        y.stride(0),
        **config,
    )
    return y
