"""Attention to a prefix in both directions and causally after it, in one pass over the keys.

Measured by kernelwright.
Problem: prefix_lm_attention (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D], prefix int32
    [B]
Output: o float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 1 to 16384, D 16 to 128
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 50% of its budget, in 55 comparisons with the reference in float64
Speed: 1.509x vs flex_attention, its strongest baseline, on H200 (geometric mean of 6
    workloads, 1.340x to 1.832x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

# The kernel works in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
# Where the running maximum of a row starts: below every score, and finite, so that a row that has
# met no key yet adds exp2(-inf) = 0 and never meets inf - inf.
LOWEST = tl.constexpr(-1.0e38)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535
# TMA takes addresses and strides that are multiples of 16 bytes, 8 elements of 16 bits.
TMA_ALIGNMENT_BYTES = 16
TMA_ELEMENTS = 8
# What the weights of a row may sum up to while they are measured by the first tile's maximum: none
# of them then leaves float16's range.
MOST = tl.constexpr(65504.0)
# Three tiles of keys and of values at most this large fit into shared memory twice.
TILE_ELEMENTS = 8192
# Queries of a block. Every 16 rows have a warp.
BLOCK_M = 64


def pick_config(q, k, v, prefix):
    """Measured on an H200. AHEAD starts the product of the next tile before this tile's weights.

    Tensor cores and exponentials of one block then work at the same time, for more registers: it
    pays where only two blocks fit on a multiprocessor anyway.
    """
    if q.shape[-1] > 64:
        return {"BLOCK_N": 64, "AHEAD": True}
    return {"BLOCK_N": 128 if q.shape[-2] >= 8192 else 64, "AHEAD": False}


@triton.jit
def _score_tile(q, k_desc, head, start, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """Products of the queries with BLOCK_N keys from `start`."""
    k = k_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    return tl.dot(q, k.T)


@triton.jit
def _mask_tile(scores, start, rows, prefix, S, BLOCK_N: tl.constexpr):
    """The scores of BLOCK_N keys from `start`, those of keys that a row does not see as -inf."""
    cols = start + tl.arange(0, BLOCK_N)
    seen = (cols[None, :] < prefix) | (rows[:, None] >= cols[None, :])
    return tl.where(seen & (cols[None, :] < S), scores, float("-inf"))


@triton.jit
def _fold_tile(
    acc,
    row_sum,
    row_max,
    scores,
    v_desc,
    head,
    start,
    rows,
    prefix,
    S,
    scale_log2e,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
    MOVING: tl.constexpr,
):
    """Fold BLOCK_N keys from `start` into the softmax.

    Only a MASKED tile compares positions. A MOVING maximum follows the scores, as an online softmax
    does; a fixed one leaves the sums as they are.
    """
    if MASKED:
        scores = _mask_tile(scores, start, rows, prefix, S, BLOCK_N)
    if MOVING:
        new_max = tl.maximum(row_max, tl.max(scores, 1) * scale_log2e)
        correction = tl.exp2(row_max - new_max)
        row_sum *= correction
        acc *= correction[:, None]
        row_max = new_max
    # The scale is positive, so it commutes with the maximum: scaling a score and subtracting the
    # maximum is one fused multiply-add.
    p = tl.exp2(scores * scale_log2e - row_max[:, None])
    row_sum += tl.sum(p, 1)
    v = v_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    acc = tl.dot(p.to(v.dtype), v, acc)
    return acc, row_sum, row_max


@triton.jit
def _attention_kernel(
    q_ptr,
    k_desc,
    v_desc,
    o_ptr,
    prefix_ptr,
    H,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head of contiguous [heads, S, D] tensors.

    A row's weights are measured by the maximum of its first tile of keys: no tile then looks for a
    maximum or corrects the sums. Where that maximum was too low for a row, the tile is computed
    again with a moving one; the sum of the row tells, also one that is not a number.
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
    q = tl.load(q_ptr + base + places, mask=live, other=0.0)
    # A product stays in registers, and the compiler then reads the queries from there: from shared
    # memory they would take half of its bandwidth. By the identity, it changes no value.
    q = tl.dot(q, (offs_d[:, None] == offs_d[None, :]).to(q.dtype)).to(q.dtype)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    prefix = tl.minimum(tl.load(prefix_ptr + head // H), S)
    # Up to the prefix, or to the diagonal, every row sees every key.
    end = tl.minimum(S, tl.maximum(first + BLOCK_M, prefix))
    whole = tl.minimum(tl.maximum(first, prefix) // BLOCK_N * BLOCK_N, end)

    scores = _score_tile(q, k_desc, head, 0, BLOCK_N, BLOCK_D)
    seen = _mask_tile(scores, 0, rows, prefix, S, BLOCK_N)
    row_max = tl.max(seen, 1) * scale_log2e
    for start in tl.range(0, whole, BLOCK_N):
        if AHEAD:
            following = _score_tile(q, k_desc, head, start + BLOCK_N, BLOCK_N, BLOCK_D)
        else:
            scores = _score_tile(q, k_desc, head, start, BLOCK_N, BLOCK_D)
        acc, row_sum, row_max = _fold_tile(
            acc,
            row_sum,
            row_max,
            scores,
            v_desc,
            head,
            start,
            rows,
            prefix,
            S,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=False,
            MOVING=False,
        )
        if AHEAD:
            scores = following
    for start in tl.range(whole, end, BLOCK_N):
        if not AHEAD:
            scores = _score_tile(q, k_desc, head, start, BLOCK_N, BLOCK_D)
        acc, row_sum, row_max = _fold_tile(
            acc,
            row_sum,
            row_max,
            scores,
            v_desc,
            head,
            start,
            rows,
            prefix,
            S,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=True,
            MOVING=False,
        )

    if tl.sum((row_sum <= MOST).to(tl.int32)) < BLOCK_M:
        row_max = tl.full([BLOCK_M], LOWEST, tl.float32)
        row_sum = tl.zeros([BLOCK_M], tl.float32)
        acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
        for start in tl.range(0, end, BLOCK_N):
            scores = _score_tile(q, k_desc, head, start, BLOCK_N, BLOCK_D)
            acc, row_sum, row_max = _fold_tile(
                acc,
                row_sum,
                row_max,
                scores,
                v_desc,
                head,
                start,
                rows,
                prefix,
                S,
                scale_log2e,
                BLOCK_N,
                BLOCK_D,
                MASKED=True,
                MOVING=True,
            )
    o = acc / row_sum[:, None]
    tl.store(o_ptr + base + places, o.to(o_ptr.dtype.element_ty), mask=live)


def _check_inputs(q, k, v, prefix):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if q.dim() != 4:
        raise ValueError(f"q must be [B, H, S, D], not {tuple(q.shape)}")
    for name, tensor in (("q", q), ("k", k), ("v", v)):
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
    if prefix.shape != (B,) or prefix.dtype != torch.int32 or prefix.device != q.device:
        raise ValueError(f"prefix must be int32 [{B}] on {q.device}, not {tuple(prefix.shape)}")
    if not prefix.is_contiguous():
        raise ValueError("prefix must be contiguous")


def prefix_lm_attention(q, k, v, prefix):
    """softmax(q kᵀ / sqrt(D), keys of the prefix or up to the query's own position) v.

    q, k, v and the result are contiguous float16 or bfloat16 [B, H, S, D], D a multiple of 8 up to
    128; products are accumulated in float32. prefix is int32 [B].
    A block of rows takes twice its time where later weights of a row sum up to more than 65,504
    times the largest one of its first keys.
    Raises ValueError, before any launch, for anything else.
    """
    _check_inputs(q, k, v, prefix)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o
    config = pick_config(q, k, v, prefix)
    block_d = max(16, triton.next_power_of_2(D))
    block_n = min(config["BLOCK_N"], TILE_ELEMENTS // block_d)

    def tiles(tensor):
        # With a dimension for the head, rows past S read as zero, not as the next head.
        return TensorDescriptor(tensor, [B * H, S, D], [S * D, D, 1], [1, block_n, block_d])

    _attention_kernel[(triton.cdiv(S, BLOCK_M), B * H)](
        q,
        tiles(k),
        tiles(v),
        o,
        prefix,
        H,
        S,
        D**-0.5 * LOG2E.value,
        D=D,
        BLOCK_D=block_d,
        BLOCK_M=BLOCK_M,
        BLOCK_N=block_n,
        AHEAD=config["AHEAD"],
        num_warps=BLOCK_M // 16,
        num_stages=3,
    )
    return o
