"""Attention with a relative position term, in one pass over the keys.

Measured by kernelwright.
Problem: relative_position_attention (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D]
Output: o float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 16 to 8192, D 64 to 128
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 21% of its budget, in 22 comparisons with the reference in float64
Speed: not measured: no GPU
"""

import torch
import triton
import triton.language as tl

# The kernel works in exp2, so scores and positions are scaled by log2(e).
LOG2E = tl.constexpr(1.44269504)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535


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
    cols,
    stride_ks,
    stride_kd,
    stride_vs,
    stride_vd,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PARTIAL: tl.constexpr,
):
    """Fold the keys `cols` into the online softmax. Only a PARTIAL tile is masked by S."""
    k = _load_rows(k_ptr, cols, stride_ks, stride_kd, S, D, BLOCK_D, PARTIAL)
    # q_idx is constant along a row and softmax does not see such a constant: only -kv_idx is
    # added, one value a column, which folds into the scaling as a fused multiply-add.
    scores = tl.dot(q, tl.trans(k)) * scale_log2e - (cols.to(tl.float32) * LOG2E)[None, :]
    if PARTIAL:
        scores = tl.where(cols[None, :] < S, scores, float("-inf"))

    new_max = tl.maximum(row_max, tl.max(scores, 1))
    p = tl.exp2(scores - new_max[:, None])
    correction = tl.exp2(row_max - new_max)
    row_sum = row_sum * correction + tl.sum(p, 1)
    v = _load_rows(v_ptr, cols, stride_vs, stride_vd, S, D, BLOCK_D, PARTIAL)
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
    HAS_TAIL: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head; online softmax over tiles of BLOCK_N keys.

    HAS_TAIL: S is no multiple of BLOCK_N, so one partial tile of keys follows the full ones.
    """
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    b = (tl.program_id(1) // H).to(tl.int64)
    h = (tl.program_id(1) % H).to(tl.int64)
    q_ptr += b * stride_qb + h * stride_qh
    k_ptr += b * stride_kb + h * stride_kh
    v_ptr += b * stride_vb + h * stride_vh
    o_ptr += b * stride_ob + h * stride_oh

    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    q = _load_rows(q_ptr, rows, stride_qs, stride_qd, S, D, BLOCK_D, PARTIAL=True)

    row_max = tl.full([BLOCK_M], float("-inf"), tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], tl.float32)
    full = S // BLOCK_N * BLOCK_N
    for start in range(0, full, BLOCK_N):
        acc, row_sum, row_max = _attend_tile(
            acc,
            row_sum,
            row_max,
            q,
            k_ptr,
            v_ptr,
            start + tl.arange(0, BLOCK_N),
            stride_ks,
            stride_kd,
            stride_vs,
            stride_vd,
            S,
            scale_log2e,
            D,
            BLOCK_D,
            PARTIAL=False,
        )
    if HAS_TAIL:
        acc, row_sum, row_max = _attend_tile(
            acc,
            row_sum,
            row_max,
            q,
            k_ptr,
            v_ptr,
            full + tl.arange(0, BLOCK_N),
            stride_ks,
            stride_kd,
            stride_vs,
            stride_vd,
            S,
            scale_log2e,
            D,
            BLOCK_D,
            PARTIAL=True,
        )

    o = acc / row_sum[:, None]
    offs_d = tl.arange(0, BLOCK_D)
    tl.store(
        o_ptr + rows[:, None] * stride_os + offs_d[None, :] * stride_od,
        o.to(o_ptr.dtype.element_ty),
        mask=(rows[:, None] < S) & (offs_d[None, :] < D),
    )


def _check_inputs(q, k, v):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if q.dim() != 4:
        raise ValueError(f"q must be [B, H, S, D], not {tuple(q.shape)}")
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        if tensor.shape != q.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, but q is {tuple(q.shape)}")
        if tensor.dtype != torch.float16:
            raise ValueError(f"{name} must be float16, not {tensor.dtype}")
        if tensor.device != q.device:
            raise ValueError(f"{name} is on {tensor.device}, but q is on {q.device}")
    B, H, S, D = q.shape
    if min(B, H, S, D) == 0:
        raise ValueError(f"q is empty: {tuple(q.shape)}")
    if D > MAX_HEAD_DIM:
        raise ValueError(f"the head dimension is {D}, above {MAX_HEAD_DIM}")
    if B * H > MAX_HEADS:
        raise ValueError(f"B * H is {B * H}, above {MAX_HEADS}")


def relative_position_attention(q, k, v):
    """softmax(q kᵀ / sqrt(D) + (q_idx - kv_idx)) v.

    q, k, v and the result are float16 [B, H, S, D] with any strides and D up to 128; products
    are accumulated in float32. Raises ValueError, before any launch, for another rank, dtype or
    size, for shapes that differ and for tensors on different devices.
    """
    _check_inputs(q, k, v)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    block_m, block_n = 128, 64
    _attention_kernel[(triton.cdiv(S, block_m), B * H)](
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
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        HAS_TAIL=S % block_n != 0,
        num_warps=8 if D > 64 else 4,
        num_stages=3,
    )
    return o
