"""Gradients of causal attention in two kernels: dq with the rows' sums, then dk and dv.

What a weight gains is its own gradient less the mean of its row's. Both are kept relative to the
gradient of a row's largest weight: where that weight is nearly all of its row, float32 would lose
the difference otherwise.

Measured by kernelwright:
Problem: causal_attention_backward (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D], do float16
    [B, H, S, D]
Outputs: dq float16 [B, H, S, D], dk float16 [B, H, S, D], dv float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 1 to 16384, D 16 to 128
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 40% of its budget, in 150 comparisons with the reference in float64
Speed: 1.021x vs sdpa, its strongest baseline, on H200 (geometric mean of 5 workloads,
    0.934x to 1.095x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

# The kernels work in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
# Where a running maximum starts: below every score, and finite, so that a row that has met no key
# yet adds exp2(-inf) = 0 and never meets inf - inf.
LOWEST = tl.constexpr(-1.0e38)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535
# TMA takes addresses and strides that are multiples of 16 bytes, 8 elements of 16 bits.
TMA_ALIGNMENT_BYTES = 16
TMA_ELEMENTS = 8
# The share of its row that a weight past the first tile may have. Above it the row's mean lies
# close to that weight's gradient: rounded at a distance, it loses more than the reference does.
MOST_SHARE = tl.constexpr(0.25)


def pick_config(q, k, v, do):
    """Measured on an H200. Rows and keys of a tile of the first kernel, then of the second.

    KEEP holds the block's own operands in registers, where there are enough of them.
    """
    if q.shape[-1] > 64:
        return {
            "DQ": {"BLOCK_M": 64, "BLOCK_N": 64, "KEEP": False, "num_warps": 4, "num_stages": 2},
            "DKV": {"BLOCK_M": 32, "BLOCK_N": 64, "KEEP": False, "num_warps": 4, "num_stages": 3},
        }
    return {
        "DQ": {"BLOCK_M": 64, "BLOCK_N": 64, "KEEP": True, "num_warps": 4, "num_stages": 3},
        "DKV": {"BLOCK_M": 64, "BLOCK_N": 64, "KEEP": False, "num_warps": 4, "num_stages": 3},
    }


@triton.jit
def _keep(x, BLOCK_D: tl.constexpr, KEEP: tl.constexpr):
    """`x` in registers: a product stays there, and one with the identity changes no value."""
    if KEEP:
        offs_d = tl.arange(0, BLOCK_D)
        x = tl.dot(x, (offs_d[:, None] == offs_d[None, :]).to(x.dtype)).to(x.dtype)
    return x


@triton.jit
def _row_tile(
    q,
    do,
    k_desc,
    v_desc,
    head,
    start,
    rows,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Scores of BLOCK_N keys from `start`, -inf for keys that a row does not see, and gradients."""
    k = k_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    v = v_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    scores = tl.dot(q, k.T)
    dp = tl.dot(do, v.T)
    if MASKED:
        cols = start + tl.arange(0, BLOCK_N)
        scores = tl.where(rows[:, None] >= cols[None, :], scores, float("-inf"))
    return scores, dp, k


@triton.jit
def _largest(scores, dp):
    """The largest score of each row, and the gradient of its weight."""
    top = tl.max(scores, 1)
    return top, tl.max(tl.where(scores == top[:, None], dp, float("-inf")), 1)


@triton.jit
def _fold_tile(acc, acc_k, row_sum, excess, scores, dp, k, scale_log2e, row_max, center, mean):
    """Fold a tile of keys: sums of weights and of their gains, as they are and times the keys."""
    p = tl.exp2(scores * scale_log2e - row_max[:, None])
    g = p * ((dp - center[:, None]) - mean[:, None])
    row_sum += tl.sum(p, 1)
    excess += tl.sum(g, 1)
    acc = tl.dot(g.to(k.dtype), k, acc)
    acc_k = tl.dot(p.to(k.dtype), k, acc_k)
    return acc, acc_k, row_sum, excess


@triton.jit
def _dq_kernel(
    q_ptr,
    do_ptr,
    k_desc,
    v_desc,
    dq_ptr,
    stats_ptr,
    S,
    scale,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    KEEP: tl.constexpr,
):
    """dq of BLOCK_M queries of one head of contiguous [heads, S, D] tensors, and their stats.

    Weights are measured by the largest one of the row's first tile, their gradients by that
    weight's, less the first tile's mean: no tile then corrects the sums. What the mean of all
    differs from that is taken off at the end, as so many of the weighted sums of keys.
    stats is float32 [3, heads, S]: logarithm of the sum of weights, center, mean above the center.
    """
    head = tl.program_id(1)
    # The last tiles have the most keys: started first, they do not leave a tail of long blocks.
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BLOCK_M
    rows = first + tl.arange(0, BLOCK_M)
    offs_d = tl.arange(0, BLOCK_D)
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    base = head.to(tl.int64) * S * D
    places = rows[:, None] * D + offs_d[None, :]
    live = (rows[:, None] < S) & (offs_d[None, :] < D)
    q = _keep(tl.load(q_ptr + base + places, mask=live, other=0.0), BLOCK_D, KEEP)
    do = _keep(tl.load(do_ptr + base + places, mask=live, other=0.0), BLOCK_D, KEEP)
    # Below the diagonal every row sees every key; from there on positions are compared. A key past
    # S lies past every row that is stored, so the causal mask covers the partial tile, too.
    end = tl.minimum(S, first + BLOCK_M)
    # The minimum shows the compiler that one loop begins where the other ends.
    diagonal = tl.minimum(first // BLOCK_N * BLOCK_N, end)

    scores, dp, k = _row_tile(q, do, k_desc, v_desc, head, 0, rows, BLOCK_N, BLOCK_D, True)
    first_top, center = _largest(scores, dp)
    row_max = first_top * scale_log2e
    p = tl.exp2(scores * scale_log2e - row_max[:, None])
    mean = tl.sum(p * (dp - center[:, None]), 1) / tl.sum(p, 1)
    top = first_top
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    excess = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    acc_k = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    for start in tl.range(0, diagonal, BLOCK_N):
        scores, dp, k = _row_tile(q, do, k_desc, v_desc, head, start, rows, BLOCK_N, BLOCK_D, False)
        top = tl.maximum(top, tl.max(scores, 1))
        acc, acc_k, row_sum, excess = _fold_tile(
            acc, acc_k, row_sum, excess, scores, dp, k, scale_log2e, row_max, center, mean
        )
    for start in tl.range(diagonal, end, BLOCK_N):
        scores, dp, k = _row_tile(q, do, k_desc, v_desc, head, start, rows, BLOCK_N, BLOCK_D, True)
        top = tl.maximum(top, tl.max(scores, 1))
        acc, acc_k, row_sum, excess = _fold_tile(
            acc, acc_k, row_sum, excess, scores, dp, k, scale_log2e, row_max, center, mean
        )
    excess /= row_sum
    dq = (acc - acc_k * excess[:, None]) * (scale / row_sum)[:, None]
    mean += excess

    # A later weight that is much of its row, or a sum that has left float16's range: the stats of
    # the whole row first, then dq as the reference has it.
    most = tl.exp2((top - first_top) * scale_log2e)
    usual = (top <= first_top) | (most <= MOST_SHARE * row_sum)
    finite = tl.max(tl.abs(acc), 1) + tl.max(tl.abs(acc_k), 1) < float("inf")
    # A number that is none is lost in a maximum; a sum keeps it.
    finite = finite & (tl.sum(dq, 1) - tl.sum(dq, 1) == 0.0)
    if tl.sum((usual & finite).to(tl.int32)) < BLOCK_M:
        row_max = tl.full([BLOCK_M], LOWEST, tl.float32)
        row_sum = tl.zeros([BLOCK_M], tl.float32)
        center = tl.zeros([BLOCK_M], tl.float32)
        mean = tl.zeros([BLOCK_M], tl.float32)
        for start in tl.range(0, end, BLOCK_N):
            scores, dp, k = _row_tile(
                q, do, k_desc, v_desc, head, start, rows, BLOCK_N, BLOCK_D, True
            )
            tile_top, tile_center = _largest(scores, dp)
            # A tile past the diagonal of a row has no key for it.
            new_max = tl.maximum(row_max, tl.maximum(tile_top * scale_log2e, LOWEST))
            correction = tl.exp2(row_max - new_max)
            new_center = tl.where(new_max > row_max, tile_center, center)
            mean = correction * (mean + row_sum * (center - new_center))
            row_sum *= correction
            row_max = new_max
            center = new_center
            p = tl.exp2(scores * scale_log2e - row_max[:, None])
            row_sum += tl.sum(p, 1)
            mean += tl.sum(p * (dp - center[:, None]), 1)
        mean /= row_sum
        row_max += tl.log2(row_sum)
        row_sum = tl.full([BLOCK_M], 1.0, tl.float32)
        dq = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
        for start in tl.range(0, end, BLOCK_N):
            scores, dp, k = _row_tile(
                q, do, k_desc, v_desc, head, start, rows, BLOCK_N, BLOCK_D, True
            )
            p = tl.exp2(scores * scale_log2e - row_max[:, None])
            ds = p * ((dp - center[:, None]) - mean[:, None]) * scale
            dq = tl.dot(ds.to(k.dtype), k, dq)

    tl.store(dq_ptr + base + places, dq.to(dq_ptr.dtype.element_ty), mask=live)
    # For rows past S the sum is infinite: the second kernel gives them no weight.
    rows_room = tl.num_programs(0) * BLOCK_M
    stats_size = tl.num_programs(1).to(tl.int64) * rows_room
    stats_ptr += head.to(tl.int64) * rows_room + rows
    log_sum = tl.where(rows < S, row_max + tl.log2(row_sum), float("inf"))
    tl.store(stats_ptr, log_sum)
    tl.store(stats_ptr + stats_size, center)
    tl.store(stats_ptr + 2 * stats_size, mean)


@triton.jit
def _fold_queries(
    dk,
    dv,
    k,
    v,
    q_desc,
    do_desc,
    stats_ptr,
    stats_size,
    head,
    start,
    cols,
    scale,
    scale_log2e,
    BLOCK_M: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Fold BLOCK_M queries from `start` into the gradients of a tile of keys and values."""
    q = q_desc.load([head, start, 0]).reshape(BLOCK_M, BLOCK_D)
    do = do_desc.load([head, start, 0]).reshape(BLOCK_M, BLOCK_D)
    rows = start + tl.arange(0, BLOCK_M)
    log_sum = tl.load(stats_ptr + rows)
    center = tl.load(stats_ptr + stats_size + rows)
    mean = tl.load(stats_ptr + 2 * stats_size + rows)
    scores = tl.dot(k, q.T)
    dp = tl.dot(v, do.T)
    if MASKED:
        scores = tl.where(rows[None, :] >= cols[:, None], scores, float("-inf"))
    p = tl.exp2(scores * scale_log2e - log_sum[None, :])
    dv = tl.dot(p.to(do.dtype), do, dv)
    ds = p * ((dp - center[None, :]) - mean[None, :]) * scale
    dk = tl.dot(ds.to(q.dtype), q, dk)
    return dk, dv


@triton.jit
def _dkv_kernel(
    q_desc,
    do_desc,
    k_ptr,
    v_ptr,
    stats_ptr,
    dk_ptr,
    dv_ptr,
    S,
    rows_room,
    scale,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    KEEP: tl.constexpr,
):
    """dk and dv of BLOCK_N keys of one head. stats is what `_dq_kernel` writes."""
    head = tl.program_id(1)
    # The first keys are seen by the most queries, and are started first.
    first = tl.program_id(0) * BLOCK_N
    cols = first + tl.arange(0, BLOCK_N)
    offs_d = tl.arange(0, BLOCK_D)
    base = head.to(tl.int64) * S * D
    places = cols[:, None] * D + offs_d[None, :]
    live = (cols[:, None] < S) & (offs_d[None, :] < D)
    k = _keep(tl.load(k_ptr + base + places, mask=live, other=0.0), BLOCK_D, KEEP)
    v = _keep(tl.load(v_ptr + base + places, mask=live, other=0.0), BLOCK_D, KEEP)
    dk = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    dv = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    stats_size = tl.num_programs(1).to(tl.int64) * rows_room
    stats_ptr += head.to(tl.int64) * rows_room
    begin = first // BLOCK_M * BLOCK_M
    # Comparing positions everywhere costs less than a loop for the diagonal alone.
    for start in tl.range(begin, rows_room, BLOCK_M):
        dk, dv = _fold_queries(
            dk,
            dv,
            k,
            v,
            q_desc,
            do_desc,
            stats_ptr,
            stats_size,
            head,
            start,
            cols,
            scale,
            scale_log2e,
            BLOCK_M,
            BLOCK_D,
            MASKED=True,
        )
    tl.store(dk_ptr + base + places, dk.to(dk_ptr.dtype.element_ty), mask=live)
    tl.store(dv_ptr + base + places, dv.to(dv_ptr.dtype.element_ty), mask=live)


def _check_inputs(q, k, v, do):
    """Raise ValueError for what the kernels cannot handle, naming the tensor and the reason."""
    if q.dim() != 4:
        raise ValueError(f"q must be [B, H, S, D], not {tuple(q.shape)}")
    for name, tensor in (("q", q), ("k", k), ("v", v), ("do", do)):
        if tensor.shape != q.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, but q is {tuple(q.shape)}")
        if tensor.dtype not in (torch.float16, torch.bfloat16) or tensor.dtype != q.dtype:
            raise ValueError(f"{name} must be float16 or bfloat16 as q is, not {tensor.dtype}")
        if tensor.device != q.device:
            raise ValueError(f"{name} is on {tensor.device}, but q is on {q.device}")
        if not tensor.is_contiguous() or tensor.data_ptr() % TMA_ALIGNMENT_BYTES:
            raise ValueError(f"{name} must be contiguous from a multiple of 16 bytes, for TMA")
    B, H, _, D = q.shape
    if not 1 <= D <= MAX_HEAD_DIM or D % TMA_ELEMENTS:
        raise ValueError(f"the head dimension is {D}, no multiple of 8 up to {MAX_HEAD_DIM}")
    if B * H > MAX_HEADS:
        raise ValueError(f"B * H is {B * H}, above {MAX_HEADS}")


def causal_attention_backward(q, k, v, do):
    """dq, dk and dv of softmax(q kᵀ / sqrt(D), keys up to the query's own position) v for do.

    All seven are contiguous float16 or bfloat16 [B, H, S, D], D a multiple of 8 up to 128; products
    are accumulated in float32, sums of a row kept in 12 B * H * S bytes of room. No atomics: equal
    inputs give equal bits.
    A block of rows takes about three times its time where a weight beyond the first tile of keys is
    more than a quarter of its row.
    Raises ValueError, before any launch, for anything else.
    """
    _check_inputs(q, k, v, do)
    B, H, S, D = q.shape
    dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    if q.numel() == 0:
        return dq, dk, dv
    config = pick_config(q, k, v, do)
    block_d = max(16, triton.next_power_of_2(D))
    scale = D**-0.5

    def tiles(tensor, rows):
        # With a dimension for the head, rows past S read as zero, not as the next head.
        return TensorDescriptor(tensor, [B * H, S, D], [S * D, D, 1], [1, rows, block_d])

    chosen = config["DQ"]
    blocks = triton.cdiv(S, chosen["BLOCK_M"])
    rows_room = blocks * chosen["BLOCK_M"]
    stats = torch.empty((3, B * H, rows_room), dtype=torch.float32, device=q.device)
    _dq_kernel[(blocks, B * H)](
        q,
        do,
        tiles(k, chosen["BLOCK_N"]),
        tiles(v, chosen["BLOCK_N"]),
        dq,
        stats,
        S,
        scale,
        scale * LOG2E.value,
        D=D,
        BLOCK_D=block_d,
        **chosen,
    )
    chosen = config["DKV"]
    _dkv_kernel[(triton.cdiv(S, chosen["BLOCK_N"]), B * H)](
        tiles(q, chosen["BLOCK_M"]),
        tiles(do, chosen["BLOCK_M"]),
        k,
        v,
        stats,
        dk,
        dv,
        S,
        rows_room,
        scale,
        scale * LOG2E.value,
        D=D,
        BLOCK_D=block_d,
        **chosen,
    )
    return dq, dk, dv
