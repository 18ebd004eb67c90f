"""Causal attention in one pass over the keys, with a hook for changes of the score."""

import torch
import triton
import triton.language as tl

# The kernel works in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535

TUNABLES = {
    "BLOCK_M": [64, 128],
    "BLOCK_N": [32, 64, 128],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {"BLOCK_M": 128, "BLOCK_N": 64, "num_warps": 8, "num_stages": 3}


def pick_config(q, k, v):
    return CONFIG


@triton.jit
def _score_mod(scores, head, q_idx, kv_idx):
    """What becomes of the scores, which are in units of log2: scale what is added by LOG2E.

    scores is [BLOCK_M, BLOCK_N], q_idx [BLOCK_M, 1] and kv_idx [1, BLOCK_N]. A relative position
    term, for example: scores + (q_idx - kv_idx).to(tl.float32) * LOG2E.
    """
    return scores


@triton.jit
def _load_rows(
    ptr,
    rows,
    stride_s,
    stride_d,
    S,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PARTIAL: tl.constexpr,
):
    """Rows of a [S, D] matrix as [rows, BLOCK_D]; zeros past D and, when PARTIAL, past S."""
    offs_d = tl.arange(0, BLOCK_D)
    ptrs = ptr + rows[:, None] * stride_s + offs_d[None, :] * stride_d
    if PARTIAL:
        tile = tl.load(ptrs, mask=(rows[:, None] < S) & (offs_d[None, :] < D), other=0.0)
    elif BLOCK_D != D:
        tile = tl.load(ptrs, mask=offs_d[None, :] < D, other=0.0)
    else:
        tile = tl.load(ptrs)
    return tile


@triton.jit
def _attend_tile(
    acc,
    row_sum,
    row_max,
    q,
    k_ptr,
    v_ptr,
    head,
    rows,
    cols,
    stride_ks,
    stride_kd,
    stride_vs,
    stride_vd,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    ON_DIAGONAL: tl.constexpr,
):
    """Fold the keys `cols` into the online softmax. Only tiles on the diagonal are masked."""
    k = _load_rows(k_ptr, cols, stride_ks, stride_kd, S, D, BLOCK_D, ON_DIAGONAL)
    scores = tl.dot(q, tl.trans(k)) * scale_log2e
    scores = _score_mod(scores, head, rows[:, None], cols[None, :])
    if ON_DIAGONAL:
        scores = tl.where(rows[:, None] >= cols[None, :], scores, float("-inf"))
    new_max = tl.maximum(row_max, tl.max(scores, 1))
    p = tl.exp2(scores - new_max[:, None])
    correction = tl.exp2(row_max - new_max)
    row_sum = row_sum * correction + tl.sum(p, 1)
    v = _load_rows(v_ptr, cols, stride_vs, stride_vd, S, D, BLOCK_D, ON_DIAGONAL)
    acc = tl.dot(p.to(v.dtype), v, acc * correction[:, None])
    return acc, row_sum, new_max


@triton.jit
def _attention_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    o_ptr,
    stride_qb,
    stride_qh,
    stride_qs,
    stride_qd,
    stride_kb,
    stride_kh,
    stride_ks,
    stride_kd,
    stride_vb,
    stride_vh,
    stride_vs,
    stride_vd,
    stride_ob,
    stride_oh,
    stride_os,
    stride_od,
    H,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head; online softmax over tiles of BLOCK_N keys."""
    # The last tiles have the most keys: started first, they do not leave a tail of long blocks.
    tile = tl.num_programs(0) - 1 - tl.program_id(0)
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    b = (tl.program_id(1) // H).to(tl.int64)
    h = (tl.program_id(1) % H).to(tl.int64)
    q_ptr += b * stride_qb + h * stride_qh
    k_ptr += b * stride_kb + h * stride_kh
    v_ptr += b * stride_vb + h * stride_vh
    o_ptr += b * stride_ob + h * stride_oh

    rows = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    q = _load_rows(q_ptr, rows, stride_qs, stride_qd, S, D, BLOCK_D, PARTIAL=True)
    row_max = tl.full([BLOCK_M], float("-inf"), tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    # Below the diagonal every key is seen by every row; from there on scores are compared. A key
    # past S lies past every row that is stored, so the causal mask covers the partial tile.
    diagonal = tile * BLOCK_M // BLOCK_N * BLOCK_N
    for start in range(0, diagonal, BLOCK_N):
        acc, row_sum, row_max = _attend_tile(
            acc,
            row_sum,
            row_max,
            q,
            k_ptr,
            v_ptr,
            h,
            rows,
            start + tl.arange(0, BLOCK_N),
            stride_ks,
            stride_kd,
            stride_vs,
            stride_vd,
            S,
            scale_log2e,
            D,
            BLOCK_D,
            ON_DIAGONAL=False,
        )
    for start in range(diagonal, tl.minimum(S, (tile + 1) * BLOCK_M), BLOCK_N):
        acc, row_sum, row_max = _attend_tile(
            acc,
            row_sum,
            row_max,
            q,
            k_ptr,
            v_ptr,
            h,
            rows,
            start + tl.arange(0, BLOCK_N),
            stride_ks,
            stride_kd,
            stride_vs,
            stride_vd,
            S,
            scale_log2e,
            D,
            BLOCK_D,
            ON_DIAGONAL=True,
        )

    offs_d = tl.arange(0, BLOCK_D)
    tl.store(
        o_ptr + rows[:, None] * stride_os + offs_d[None, :] * stride_od,
        (acc / row_sum[:, None]).to(o_ptr.dtype.element_ty),
        mask=(rows[:, None] < S) & (offs_d[None, :] < D),
    )


def _check_inputs(q, k, v):
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
    B, H, _, D = q.shape
    if not 1 <= D <= MAX_HEAD_DIM:
        raise ValueError(f"the head dimension is {D}, not 1 to {MAX_HEAD_DIM}")
    if B * H > MAX_HEADS:
        raise ValueError(f"B * H is {B * H}, above {MAX_HEADS}")


def causal_attention(q, k, v):
    """softmax(q kᵀ / sqrt(D), keys up to the query's own position) v.

    q, k, v and the result are float16 or bfloat16 [B, H, S, D] with any strides and D up to 128;
    products are accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(q, k, v)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o
    config = pick_config(q, k, v)
    _attention_kernel[(triton.cdiv(S, config["BLOCK_M"]), B * H)](
        q,
        k,
        v,
        o,
        *q.stride(),
        *k.stride(),
        *v.stride(),
        *o.stride(),
        H,
        S,
        D**-0.5 * LOG2E.value,
        D=D,
        BLOCK_D=max(16, triton.next_power_of_2(D)),
        **config,
    )
    return o
