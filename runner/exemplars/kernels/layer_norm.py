"""Layer normalisation of each row: the deviations are squared, never the values."""

import torch
import triton
import triton.language as tl

EPS = 1e-5
# Up to here a row stays in the registers of one program and is read once. A longer row is read
# three times, twice from cache.
MAX_BLOCK = 8192


@triton.jit
def _layer_norm_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    stride_xm,
    stride_xn,
    stride_w,
    stride_b,
    stride_ym,
    N,
    eps,
    BLOCK_N: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
):
    """Normalise row program_id(0). ONE_BLOCK: N fits into BLOCK_N, and the row is kept."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    y_ptr += row * stride_ym
    if ONE_BLOCK:
        cols = tl.arange(0, BLOCK_N)
        mask = cols < N
        x = tl.load(x_ptr + cols * stride_xn, mask=mask, other=0.0).to(tl.float32)
        w = tl.load(w_ptr + cols * stride_w, mask=mask, other=0.0).to(tl.float32)
        b = tl.load(b_ptr + cols * stride_b, mask=mask, other=0.0).to(tl.float32)
        mean = tl.sum(x, 0) / N
        # mean(x²) - mean² would cancel: a row far from zero would lose all its digits.
        deviation = tl.where(mask, x - mean, 0.0)
        inverse_std = tl.rsqrt(tl.sum(deviation * deviation, 0) / N + eps)
        y = deviation * inverse_std * w + b
        tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=mask)
    else:
        total = tl.zeros([BLOCK_N], tl.float32)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            total += tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=0.0).to(tl.float32)
        mean = tl.sum(total, 0) / N
        squares = tl.zeros([BLOCK_N], tl.float32)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            x = tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=0.0).to(tl.float32)
            deviation = tl.where(cols < N, x - mean, 0.0)
            squares += deviation * deviation
        inverse_std = tl.rsqrt(tl.sum(squares, 0) / N + eps)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            mask = cols < N
            x = tl.load(x_ptr + cols * stride_xn, mask=mask, other=0.0).to(tl.float32)
            w = tl.load(w_ptr + cols * stride_w, mask=mask, other=0.0).to(tl.float32)
            b = tl.load(b_ptr + cols * stride_b, mask=mask, other=0.0).to(tl.float32)
            y = (x - mean) * inverse_std * w + b
            tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 2:
        raise ValueError(f"x must be [M, N], not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.shape != x.shape[1:]:
            raise ValueError(f"{name} must be [{x.shape[1]}], not {tuple(tensor.shape)}")
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")


def layer_norm(x, weight, bias):
    """(x - mean) / sqrt(variance + 1e-5) * weight + bias for each row, with the biased variance.

    x [M, N], weight [N] and bias [N] are of one floating dtype, any strides; the result is a
    contiguous [M, N]. Statistics are float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    M, N = x.shape
    y = torch.empty((M, N), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_n = min(triton.next_power_of_2(N), MAX_BLOCK)
    _layer_norm_kernel[(M,)](
        x,
        weight,
        bias,
        y,
        *x.stride(),
        weight.stride(0),
        bias.stride(0),
        y.stride(0),
        N,
        EPS,
        BLOCK_N=block_n,
        ONE_BLOCK=block_n >= N,
        num_warps=min(max(block_n // 512, 1), 16),
    )
    return y
