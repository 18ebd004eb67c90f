"""The index of the largest element along any axis: the first one, where several are as large."""

import torch
import triton
import triton.language as tl

# The axis: the tensor is seen as [outer, N, inner], with N its size and inner = 1 for the last.
AXIS = 1
# Tiles have about this many elements.
ELEMENTS = 4096
MAX_INNER = 128


@triton.jit
def _better(value_a, index_a, value_b, index_b):
    """The larger of two (value, index), and the earlier of two that are equal."""
    a_wins = (value_a > value_b) | ((value_a == value_b) & (index_a < index_b))
    return tl.where(a_wins, value_a, value_b), tl.where(a_wins, index_a, index_b)


@triton.jit
def _argmax_kernel(
    x_ptr,
    y_ptr,
    outer,
    N,
    inner,
    blocks,
    ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_I: tl.constexpr,
):
    """A tile of [ROWS of outer, BLOCK_N, BLOCK_I of inner]; each lane keeps its own best.

    One of ROWS and BLOCK_I is 1: neighbours in memory are read together in either case.
    """
    # int64: the offset of a row passes 2**31 elements in large tensors.
    rows = (tl.program_id(0) // blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(0) % blocks * BLOCK_I + tl.arange(0, BLOCK_I)
    exists = (rows[:, None, None] < outer) & (cols[None, None, :] < inner)
    base = rows[:, None, None] * N * inner + cols[None, None, :]
    best = tl.full([ROWS, BLOCK_N, BLOCK_I], float("-inf"), tl.float32)
    # Lanes that see nothing, or nothing but -inf, must lose against every index there is.
    index = tl.full([ROWS, BLOCK_N, BLOCK_I], 2**31 - 1, tl.int32)
    for start in range(0, N, BLOCK_N):
        n = (start + tl.arange(0, BLOCK_N))[None, :, None]
        mask = exists & (n < N)
        x = tl.load(x_ptr + base + n.to(tl.int64) * inner, mask=mask, other=float("-inf"))
        x = x.to(tl.float32)
        found = tl.where(mask, n, 2**31 - 1)
        best, index = _better(best, index, x, found)
    _, index = tl.reduce((best, index), 1, _better)
    offs = rows[:, None] * inner + cols[None, :]
    mask = (rows[:, None] < outer) & (cols[None, :] < inner)
    tl.store(y_ptr + offs, index.to(tl.int64), mask=mask)


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() <= AXIS or not 0 < x.shape[AXIS] < 2**31:
        raise ValueError(f"x must have an axis {AXIS} of 1 to 2**31 - 1, not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def argmax_axis(x):
    """The index of the largest element of a floating x along axis 1, which is dropped; int64.

    The first of several that are equal. Raises ValueError for an x without such an axis and for
    other dtypes. NaN is not ordered: x must have none.
    """
    _check_inputs(x)
    x = x.contiguous()
    N = x.shape[AXIS]
    kept = (*x.shape[:AXIS], *x.shape[AXIS + 1 :])
    y = torch.empty(kept, dtype=torch.int64, device=x.device)
    if y.numel() == 0:
        return y
    outer = 1
    for size in x.shape[:AXIS]:
        outer *= size
    inner = y.numel() // outer
    block_i = min(triton.next_power_of_2(inner), MAX_INNER)
    block_n = min(ELEMENTS // block_i, triton.next_power_of_2(N))
    rows = min(ELEMENTS // block_n, triton.next_power_of_2(outer)) if inner == 1 else 1
    blocks = triton.cdiv(inner, block_i)
    _argmax_kernel[(triton.cdiv(outer, rows) * blocks,)](
        x,
        y,
        outer,
        N,
        inner,
        blocks,
        ROWS=rows,
        BLOCK_N=block_n,
        BLOCK_I=block_i,
        num_warps=8,
    )
    return y
