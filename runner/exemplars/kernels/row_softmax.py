"""Softmax of each row: kept in registers where it fits, else an online maximum and sum first."""

import torch
import triton
import triton.language as tl

# Up to here a row stays in the registers of one program (16 values a thread in 16 warps) and is
# read once. A longer row is read twice, the second time from cache.
MAX_BLOCK = 8192
# Short rows share a program: a block has about this many elements.
ELEMENTS = 2048


@triton.jit
def _softmax_kernel(
    x_ptr,
    y_ptr,
    M,
    N,
    stride_xm,
    stride_xn,
    stride_ym,
    ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """ROWS rows of at most BLOCK_N elements, read once. Rows of y are contiguous."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK_N)
    mask = (rows[:, None] < M) & (cols[None, :] < N)
    x_ptrs = x_ptr + rows[:, None] * stride_xm + cols[None, :] * stride_xn
    x = tl.load(x_ptrs, mask=mask, other=float("-inf")).to(tl.float32)
    # Rows past the end are all -inf: keep them clear of inf - inf and of 0 / 0.
    largest = tl.where(rows < M, tl.max(x, 1), 0.0)
    numerator = tl.exp(x - largest[:, None])
    y = numerator / tl.where(rows < M, tl.sum(numerator, 1), 1.0)[:, None]
    y_ptrs = y_ptr + rows[:, None] * stride_ym + cols[None, :]
    tl.store(y_ptrs, y.to(y_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _long_softmax_kernel(x_ptr, y_ptr, N, stride_xm, stride_xn, stride_ym, BLOCK_N: tl.constexpr):
    """One row of any length: one pass for maximum and sum, lane by lane, and one to divide."""
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    y_ptr += row * stride_ym
    lane_max = tl.full([BLOCK_N], float("-inf"), tl.float32)
    lane_sum = tl.zeros([BLOCK_N], tl.float32)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        x = tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=float("-inf")).to(tl.float32)
        new_max = tl.maximum(lane_max, x)
        # A lane that saw nothing but -inf has no sum yet, and inf - inf must not give it one.
        finite_max = tl.where(new_max == float("-inf"), 0.0, new_max)
        lane_sum = lane_sum * tl.exp(lane_max - finite_max) + tl.exp(x - finite_max)
        lane_max = new_max
    largest = tl.max(lane_max, 0)
    inverse = 1.0 / tl.sum(lane_sum * tl.exp(lane_max - largest), 0)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        x = tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=0.0).to(tl.float32)
        y = tl.exp(x - largest) * inverse
        tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=cols < N)


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() != 2:
        raise ValueError(f"x must be [M, N], not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def row_softmax(x):
    """softmax of each row of x [M, N], a floating tensor with any strides.

    The result is a contiguous [M, N] of x's dtype; exponentials and sums are float32. Raises
    ValueError for anything else.
    """
    _check_inputs(x)
    M, N = x.shape
    y = torch.empty((M, N), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_n = triton.next_power_of_2(N)
    if block_n > MAX_BLOCK:
        _long_softmax_kernel[(M,)](
            x, y, N, *x.stride(), y.stride(0), BLOCK_N=MAX_BLOCK, num_warps=16
        )
        return y
    rows = max(1, ELEMENTS // block_n)
    _softmax_kernel[(triton.cdiv(M, rows),)](
        x,
        y,
        M,
        N,
        *x.stride(),
        y.stride(0),
        ROWS=rows,
        BLOCK_N=block_n,
        num_warps=min(max(rows * block_n // 512, 4), 16),
    )
    return y
