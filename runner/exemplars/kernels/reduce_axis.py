"""A reduction over any axis of a tensor: coalesced whether the axis is the last one or not."""

import torch
import triton
import triton.language as tl

# The axis: the tensor is seen as [outer, N, inner], with N its size and inner = 1 for the last.
AXIS = 1
# What changes nothing under _combine. For a maximum: float("-inf").
IDENTITY = tl.constexpr(0.0)
# Tiles have about this many elements.
ELEMENTS = 4096
MAX_INNER = 128


@triton.jit
def _combine(a, b):
    """The reduction, associative. For a maximum: tl.maximum(a, b)."""
    return a + b


@triton.jit
def _finish(total, N):
    """From the reduced value to the result: here a mean."""
    return total / N


@triton.jit
def _last_axis_kernel(x_ptr, y_ptr, outer, N, ROWS: tl.constexpr, BLOCK_N: tl.constexpr):
    """ROWS rows of [outer, N], along their contiguous elements."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    acc = tl.full([ROWS, BLOCK_N], IDENTITY, tl.float32)
    for start in range(0, N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        mask = (rows[:, None] < outer) & (cols[None, :] < N)
        x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=IDENTITY)
        acc = _combine(acc, x.to(tl.float32))
    y = _finish(tl.reduce(acc, 1, _combine), N)
    tl.store(y_ptr + rows, y.to(y_ptr.dtype.element_ty), mask=rows < outer)


@triton.jit
def _inner_axis_kernel(
    x_ptr, y_ptr, N, inner, blocks, BLOCK_N: tl.constexpr, BLOCK_I: tl.constexpr
):
    """BLOCK_I neighbours of one [N, inner]: neighbours are read together, N goes by."""
    outer = (tl.program_id(0) // blocks).to(tl.int64)
    cols = tl.program_id(0) % blocks * BLOCK_I + tl.arange(0, BLOCK_I)
    x_ptr += outer * N * inner
    acc = tl.full([BLOCK_N, BLOCK_I], IDENTITY, tl.float32)
    for start in range(0, N, BLOCK_N):
        rows = start + tl.arange(0, BLOCK_N)
        mask = (rows[:, None] < N) & (cols[None, :] < inner)
        offs = rows[:, None].to(tl.int64) * inner + cols[None, :]
        acc = _combine(acc, tl.load(x_ptr + offs, mask=mask, other=IDENTITY).to(tl.float32))
    y = _finish(tl.reduce(acc, 0, _combine), N)
    tl.store(y_ptr + outer * inner + cols, y.to(y_ptr.dtype.element_ty), mask=cols < inner)


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() <= AXIS or x.shape[AXIS] == 0:
        raise ValueError(f"x must have an axis {AXIS} that is not empty, not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def mean_axis(x):
    """The mean of a floating x over axis 1, which is dropped; accumulated in float32.

    The result is contiguous and of x's dtype. Raises ValueError for an x without such an axis and
    for other dtypes.
    """
    _check_inputs(x)
    x = x.contiguous()
    N = x.shape[AXIS]
    kept = (*x.shape[:AXIS], *x.shape[AXIS + 1 :])
    y = torch.empty(kept, dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    outer = 1
    for size in x.shape[:AXIS]:
        outer *= size
    inner = y.numel() // outer
    if inner == 1:
        block_n = min(triton.next_power_of_2(N), ELEMENTS)
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
