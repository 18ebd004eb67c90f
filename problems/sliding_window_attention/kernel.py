"""Causal attention to the last keys within a window, in one pass over those keys.

Measured by kernelwright.
Problem: sliding_window_attention (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D], window int32
    [1]
Output: o float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 1 to 16384, D 16 to 128, W 1 to 4096
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 49% of its budget, in 60 comparisons with the reference in float64
Speed: 1.236x vs flex_attention, its strongest baseline, on H200 (geometric mean of 7
    workloads, 1.092x to 1.352x; above 1 is faster)
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
# Rows and keys of a tile. Every 16 rows have a warp.
BLOCK_M = 64
BLOCK_N = 64
# From this window on the inner tiles go without a mask; a shorter one is over before three loops
# have filled their pipelines. Measured on an H200 between 256 and 1,024.
LONG_WINDOW = tl.constexpr(512)


@triton.jit
def _score_tile(q, k_desc, head, start, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """Products of the queries with BLOCK_N keys from `start`."""
    k = k_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    return tl.dot(q, k.T)


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
    window,
    scale_log2e,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Fold BLOCK_N keys from `start` into the softmax; only a MASKED tile compares positions."""
    if MASKED:
        cols = start + tl.arange(0, BLOCK_N)
        # A key after the row has a negative distance, as an unsigned number a large one.
        distance = (rows[:, None] - cols[None, :]).to(tl.uint32, bitcast=True)
        scores = tl.where(distance < window.to(tl.uint32), scores, float("-inf"))
    # The scale is positive, so it commutes with the maximum: scaling a score and subtracting the
    # maximum is one fused multiply-add.
    new_max = tl.maximum(row_max, tl.max(scores, 1) * scale_log2e)
    p = tl.exp2(scores * scale_log2e - new_max[:, None])
    correction = tl.exp2(row_max - new_max)
    row_sum = row_sum * correction + tl.sum(p, 1)
    v = v_desc.load([head, start, 0]).reshape(BLOCK_N, BLOCK_D)
    acc = tl.dot(p.to(v.dtype), v, acc * correction[:, None])
    return acc, row_sum, new_max


@triton.jit
def _attention_kernel(
    q_ptr,
    k_desc,
    v_desc,
    o_ptr,
    window_ptr,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head of contiguous [heads, S, D] tensors."""
    head = tl.program_id(1)
    first = tl.program_id(0) * BLOCK_M
    rows = first + tl.arange(0, BLOCK_M)
    offs_d = tl.arange(0, BLOCK_D)
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    base = head.to(tl.int64) * S * D
    places = rows[:, None] * D + offs_d[None, :]
    live = (rows[:, None] < S) & (offs_d[None, :] < D)
    q = tl.load(q_ptr + base + places, mask=live, other=0.0)
    row_max = tl.full([BLOCK_M], LOWEST, tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    window = tl.maximum(tl.load(window_ptr), 0)
    # Keys that the first row of the tile sees, to those that the last one sees. Between `inner` and
    # `diagonal` every row sees every key. A key past S lies past every row that is stored.
    begin = tl.maximum(first - window + 1, 0) // BLOCK_N * BLOCK_N
    end = tl.minimum(S, first + BLOCK_M)
    diagonal = tl.minimum(tl.maximum(first // BLOCK_N * BLOCK_N, begin), end)
    inner = tl.maximum(tl.cdiv(first + BLOCK_M - window, BLOCK_N) * BLOCK_N, begin)
    # A short window is masked as a whole, by the first loop.
    inner = tl.where(window < LONG_WINDOW, end, tl.minimum(inner, diagonal))
    for start in tl.range(begin, inner, BLOCK_N):
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
            window,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=True,
        )
    for start in tl.range(inner, diagonal, BLOCK_N):
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
            window,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=False,
        )
    for start in tl.range(tl.maximum(inner, diagonal), end, BLOCK_N):
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
            window,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=True,
        )
    # A row without a key has no sum: its output is zero.
    o = acc / tl.where(row_sum > 0.0, row_sum, 1.0)[:, None]
    tl.store(o_ptr + base + places, o.to(o_ptr.dtype.element_ty), mask=live)


def _check_inputs(q, k, v, window):
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
    if window.shape != (1,) or window.dtype != torch.int32 or window.device != q.device:
        raise ValueError(f"window must be int32 [1] on {q.device}, not {tuple(window.shape)}")


def sliding_window_attention(q, k, v, window):
    """softmax(q kᵀ / sqrt(D), keys with 0 <= q_idx - kv_idx < window) v.

    q, k, v and the result are contiguous float16 or bfloat16 [B, H, S, D], D a multiple of 8 up to
    128; products are accumulated in float32. window is int32 [1].
    Raises ValueError, before any launch, for anything else.
    """
    _check_inputs(q, k, v, window)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o
    block_d = max(16, triton.next_power_of_2(D))

    def tiles(tensor):
        # With a dimension for the head, rows past S read as zero, not as the next head.
        return TensorDescriptor(tensor, [B * H, S, D], [S * D, D, 1], [1, BLOCK_N, block_d])

    _attention_kernel[(triton.cdiv(S, BLOCK_M), B * H)](
        q,
        tiles(k),
        tiles(v),
        o,
        window,
        S,
        D**-0.5 * LOG2E.value,
        D=D,
        BLOCK_D=block_d,
        BLOCK_M=BLOCK_M,
        BLOCK_N=BLOCK_N,
        num_warps=BLOCK_M // 16,
        num_stages=3,
    )
    return o
