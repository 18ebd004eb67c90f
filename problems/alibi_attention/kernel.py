"""Causal attention with a linear bias on the distance (ALiBi); the next scores come ahead.

Measured by kernelwright.
Problem: alibi_attention (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D], slopes
    float32 [H]
Output: o float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 1 to 16384, D 16 to 128
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 69% of its budget, in 55 comparisons with the reference in float64
Speed: 1.534x vs flex_attention, its strongest baseline, on H200 (geometric mean of 6
    workloads, 1.335x to 2.188x; above 1 is faster)
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
# Rows of a block. Every 16 of them have a warp.
BLOCK_M = 64


def pick_config(q, k, v, slopes):
    """Measured on an H200: wide tiles pay for long rows, where shared memory takes them."""
    return {"BLOCK_N": 128 if q.shape[-1] <= 64 and q.shape[-2] >= 4096 else 64}


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
    anchor,
    slope_log2e,
    scale_log2e,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Fold BLOCK_N keys from `start` into the softmax; only a MASKED tile compares positions."""
    # Only the place within the tile is added to each score, one multiply-add; how far the tile lies
    # from the anchor goes into the row's maximum.
    ramp = tl.arange(0, BLOCK_N).to(tl.float32) * slope_log2e
    scores = scores * scale_log2e + ramp[None, :]
    if MASKED:
        cols = start + tl.arange(0, BLOCK_N)
        scores = tl.where(rows[:, None] >= cols[None, :], scores, float("-inf"))
    shift = (start - anchor).to(tl.float32) * slope_log2e
    new_max = tl.maximum(row_max, tl.max(scores, 1) + shift)
    p = tl.exp2(scores - (new_max - shift)[:, None])
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
    slopes_ptr,
    H,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head of contiguous [heads, S, D] tensors."""
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
    row_max = tl.full([BLOCK_M], LOWEST, tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    slope_log2e = tl.load(slopes_ptr + head % H) * LOG2E
    # Softmax does not see what is constant along a row, so distances may be counted from any key.
    # Counted from where the weights are large they are small there, and round little: the last row
    # of the tile, or the first key where a negative slope prefers what is far.
    anchor = tl.where(slope_log2e < 0.0, 0, first + BLOCK_M - 1)
    # Below the diagonal every row sees every key; from there on positions are compared. A key past
    # S lies past every row that is stored, so the causal mask covers the partial tile, too.
    end = tl.minimum(S, first + BLOCK_M)
    diagonal = tl.minimum(first // BLOCK_N * BLOCK_N, end)
    for start in tl.range(0, diagonal, BLOCK_N):
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
            anchor,
            slope_log2e,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=False,
        )
    for start in tl.range(diagonal, end, BLOCK_N):
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
            anchor,
            slope_log2e,
            scale_log2e,
            BLOCK_N,
            BLOCK_D,
            MASKED=True,
        )
    o = acc / row_sum[:, None]
    tl.store(o_ptr + base + places, o.to(o_ptr.dtype.element_ty), mask=live)


def _check_inputs(q, k, v, slopes):
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
    if slopes.shape != (H,) or slopes.dtype != torch.float32 or not slopes.is_contiguous():
        raise ValueError(f"slopes must be contiguous float32 [{H}], not {tuple(slopes.shape)}")
    if slopes.device != q.device:
        raise ValueError(f"slopes is on {slopes.device}, but q is on {q.device}")


def alibi_attention(q, k, v, slopes):
    """softmax(q kᵀ / sqrt(D) - slope * (q_idx - kv_idx), keys up to the query's own position) v.

    q, k, v and the result are contiguous float16 or bfloat16 [B, H, S, D], D a multiple of 8 up to
    128; products are accumulated in float32. slopes is float32 [H].
    Raises ValueError, before any launch, for anything else.
    """
    _check_inputs(q, k, v, slopes)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o
    config = pick_config(q, k, v, slopes)
    block_d = max(16, triton.next_power_of_2(D))
    block_n = config["BLOCK_N"]

    def tiles(tensor):
        # With a dimension for the head, rows past S read as zero, not as the next head.
        return TensorDescriptor(tensor, [B * H, S, D], [S * D, D, 1], [1, block_n, block_d])

    _attention_kernel[(triton.cdiv(S, BLOCK_M), B * H)](
        q,
        tiles(k),
        tiles(v),
        o,
        slopes,
        H,
        S,
        D**-0.5 * LOG2E.value,
        D=D,
        BLOCK_D=block_d,
        BLOCK_M=BLOCK_M,
        BLOCK_N=block_n,
        num_warps=BLOCK_M // 16,
        num_stages=3,
    )
    return o
