"""An inclusive scan along any axis: a parallel scan of each block, and a carry between blocks."""

import torch
import triton
import triton.language as tl

# The axis: the tensor is seen as [outer, N, inner], with N its size and inner = 1 for the last.
AXIS = 1
# What changes nothing under _combine. For a product: 1.0.
IDENTITY = tl.constexpr(0.0)
# Running sums cancel: what float32 lost on the way would stand in a small sum later. The kernel is
# bound by memory, and Hopper adds float64 at half the rate of float32.
ACC_DTYPE = tl.constexpr(tl.float64)
# Tiles have about this many elements.
ELEMENTS = 4096
MAX_INNER = 64
MAX_BLOCK_N = 1024


@triton.jit
def _combine(a, b):
    """The scanned operator, associative. For a product: a * b."""
    return a + b


@triton.jit
def _last_axis_kernel(x_ptr, y_ptr, outer, N, ROWS: tl.constexpr, BLOCK_N: tl.constexpr):
    """ROWS rows of [outer, N], along their contiguous elements."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    carry = tl.full([ROWS], IDENTITY, ACC_DTYPE)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        mask = (rows[:, None] < outer) & (cols[None, :] < N)
        offs = rows[:, None] * N + cols[None, :]
        x = tl.load(x_ptr + offs, mask=mask, other=IDENTITY).to(ACC_DTYPE)
        scanned = _combine(carry[:, None], tl.associative_scan(x, 1, _combine))
        tl.store(y_ptr + offs, scanned.to(y_ptr.dtype.element_ty), mask=mask)
        carry = _combine(carry, tl.reduce(x, 1, _combine))


@triton.jit
def _inner_axis_kernel(
    x_ptr, y_ptr, N, inner, blocks, BLOCK_N: tl.constexpr, BLOCK_I: tl.constexpr
):
    """BLOCK_I neighbours of one [N, inner]: neighbours are read together, N goes by."""
    outer = (tl.program_id(0) // blocks).to(tl.int64)
    cols = tl.program_id(0) % blocks * BLOCK_I + tl.arange(0, BLOCK_I)
    x_ptr += outer * N * inner
    y_ptr += outer * N * inner
    carry = tl.full([BLOCK_I], IDENTITY, ACC_DTYPE)
    for start in range(0, N, BLOCK_N):
        rows = start + tl.arange(0, BLOCK_N)
        mask = (rows[:, None] < N) & (cols[None, :] < inner)
        offs = rows[:, None].to(tl.int64) * inner + cols[None, :]
        x = tl.load(x_ptr + offs, mask=mask, other=IDENTITY).to(ACC_DTYPE)
        scanned = _combine(carry[None, :], tl.associative_scan(x, 0, _combine))
        tl.store(y_ptr + offs, scanned.to(y_ptr.dtype.element_ty), mask=mask)
        carry = _combine(carry, tl.reduce(x, 0, _combine))


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() <= AXIS:
        raise ValueError(f"x must have an axis {AXIS}, not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def cumsum_axis(x):
    """The running sum of a floating x along axis 1, accumulated in float64.

    The result is contiguous, of x's shape and dtype. Raises ValueError for an x without such an
    axis and for other dtypes.
    """
    _check_inputs(x)
    x = x.contiguous()
    y = torch.empty_like(x)
    if y.numel() == 0:
        return y
    N = x.shape[AXIS]
    outer = 1
    for size in x.shape[:AXIS]:
        outer *= size
    inner = x.numel() // (outer * N)
    if inner == 1:
        block_n = min(triton.next_power_of_2(N), MAX_BLOCK_N)
        rows = min(ELEMENTS // block_n, triton.next_power_of_2(outer))
        _last_axis_kernel[(triton.cdiv(outer, rows),)](
            x, y, outer, N, ROWS=rows, BLOCK_N=block_n, num_warps=8
        )
        return y
    block_i = min(triton.next_power_of_2(inner), MAX_INNER)
    blocks = triton.cdiv(inner, block_i)
    _inner_axis_kernel[(outer * blocks,)](
        x,
        y,
        N,
        inner,
        blocks,
        BLOCK_N=min(ELEMENTS // block_i, triton.next_power_of_2(N)),
        BLOCK_I=block_i,
        num_warps=8,
    )
    return y
