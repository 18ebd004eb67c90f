"""Root mean square normalisation of short and long rows, with a weight."""

import torch
import triton
import triton.language as tl

EPS = 1e-6
# Up to here a row stays in the registers of one program and is read once. A longer row is read
# twice, the second time from cache.
MAX_BLOCK = 8192
# Short rows share a program: a block has about this many elements.
ELEMENTS = 2048


@triton.jit
def _rms_norm_kernel(
    x_ptr,
    w_ptr,
    y_ptr,
    stride_xm,
    stride_xn,
    stride_w,
    stride_ym,
    M,
    N,
    eps,
    ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """ROWS rows of at most BLOCK_N elements, read once. Rows of y are contiguous."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    rows = tl.program_id(0).to(tl.int64)[None, None] * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.arange(0, BLOCK_N)
    mask = (rows < M) & (cols[None, :] < N)
    x_ptrs = x_ptr + rows * stride_xm + cols[None, :] * stride_xn
    x = tl.load(x_ptrs, mask=mask, other=0.0).to(tl.float32)
    w = tl.load(w_ptr + cols * stride_w, mask=cols < N, other=0.0).to(tl.float32)
    inverse_rms = tl.rsqrt(tl.sum(x * x, 1) / N + eps)
    y = x * inverse_rms[:, None] * w[None, :]
    y_ptrs = y_ptr + rows * stride_ym + cols[None, :]
    tl.store(y_ptrs, y.to(y_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _long_rms_norm_kernel(
    x_ptr,
    w_ptr,
    y_ptr,
    stride_xm,
    stride_xn,
    stride_w,
    stride_ym,
    N,
    eps,
    BLOCK_N: tl.constexpr,
):
    """One row of any length, in blocks."""
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    y_ptr += row * stride_ym
    squares = tl.zeros([BLOCK_N], tl.float32)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        x = tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=0.0).to(tl.float32)
        squares += x * x
    inverse_rms = tl.rsqrt(tl.sum(squares, 0) / N + eps)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        mask = cols < N
        x = tl.load(x_ptr + cols * stride_xn, mask=mask, other=0.0).to(tl.float32)
        w = tl.load(w_ptr + cols * stride_w, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + cols, (x * inverse_rms * w).to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, weight):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 2:
        raise ValueError(f"x must be [M, N], not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    if weight.shape != x.shape[1:]:
        raise ValueError(f"weight must be [{x.shape[1]}], not {tuple(weight.shape)}")
    if weight.dtype != x.dtype or weight.device != x.device:
        raise ValueError("weight must have the dtype and the device of x")


def rms_norm(x, weight):
    """x / sqrt(mean(x²) + 1e-6) * weight for each row.

    x [M, N] and weight [N] are of one floating dtype, any strides; the result is a contiguous
    [M, N]. Mean and scaling are float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight)
    M, N = x.shape
    y = torch.empty((M, N), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    strides = (*x.stride(), weight.stride(0), y.stride(0))
    block_n = triton.next_power_of_2(N)
    if block_n > MAX_BLOCK:
        _long_rms_norm_kernel[(M,)](x, weight, y, *strides, N, EPS, BLOCK_N=MAX_BLOCK, num_warps=16)
        return y
    rows = max(1, ELEMENTS // block_n)
    _rms_norm_kernel[(triton.cdiv(M, rows),)](
        x,
        weight,
        y,
        *strides,
        M,
        N,
        EPS,
        ROWS=rows,
        BLOCK_N=block_n,
        num_warps=min(max(rows * block_n // 512, 4), 16),
    )
    return y
