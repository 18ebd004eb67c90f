"""Gradients of causal attention: a pass for the softmax's sums, one for dk and dv, one for dq.

Measured by kernelwright.
Problem: causal_attention_backward (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, S, D], k float16 [B, H, S, D], v float16 [B, H, S, D], do float16
    [B, H, S, D]
Outputs: dq float16 [B, H, S, D], dk float16 [B, H, S, D], dv float16 [B, H, S, D]
Sizes: B 1 to 16, H 1 to 32, S 1 to 16384, D 16 to 128
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 33% of its budget, in 75 comparisons with the reference in float64
Speed: not measured: no GPU
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

# The kernels work in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
# Where the running maximum of a row starts: below every score, and finite.
LOWEST = tl.constexpr(-1.0e38)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535
# TMA takes addresses and strides that are multiples of 16 bytes, 8 elements of 16 bits.
TMA_ALIGNMENT_BYTES = 16
TMA_ELEMENTS = 8


def pick_config(q, k, v, do):
    """BLOCK rows or keys have their gradients in a program, which walks over STEP at a time."""
    return {"BLOCK": 64, "STEP": 64, "num_warps": 4, "num_stages": 2}


@triton.jit
def _load_tile(desc, head, start, BLOCK: tl.constexpr, BLOCK_D: tl.constexpr):
    """BLOCK rows of a head as [BLOCK, BLOCK_D]; zeros past S and past D."""
    return desc.load([head, start, 0]).reshape(BLOCK, BLOCK_D)


@triton.jit
def _sums_tile(
    row_delta,
    row_sum,
    row_max,
    q,
    do,
    k_desc,
    v_desc,
    head,
    start,
    rows,
    scale_log2e,
    STEP: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Fold STEP keys from `start` into the row sums; only a MASKED tile compares positions."""
    k = _load_tile(k_desc, head, start, STEP, BLOCK_D)
    scores = tl.dot(q, k.T)
    if MASKED:
        cols = start + tl.arange(0, STEP)
        scores = tl.where(rows[:, None] >= cols[None, :], scores, float("-inf"))
    new_max = tl.maximum(row_max, tl.max(scores, 1))
    # Subtracted before it is scaled: the largest weight is 1 exactly, so that a row with one key
    # has a delta of exactly its gradient, and no gradient of its own is left over.
    p = tl.exp2((scores - new_max[:, None]) * scale_log2e)
    correction = tl.exp2((row_max - new_max) * scale_log2e)
    row_sum = row_sum * correction + tl.sum(p, 1)
    v = _load_tile(v_desc, head, start, STEP, BLOCK_D)
    row_delta = row_delta * correction + tl.sum(p * tl.dot(do, v.T), 1)
    return row_delta, row_sum, new_max


@triton.jit
def _sums_kernel(
    q_desc,
    k_desc,
    v_desc,
    do_desc,
    log_sum_ptr,
    delta_ptr,
    S,
    scale_log2e,
    BLOCK_D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEP: tl.constexpr,
):
    """For BLOCK rows: log2 of the sum of exponentials, and delta, the mean gradient of a weight.

    delta is the row sum of o * do. It comes from the weights and do vᵀ, at the same cost as from o,
    and with no weight rounded to 16 bits.
    """
    head = tl.program_id(1)
    # The last tiles have the most keys: started first, they do not leave a tail of long blocks.
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BLOCK
    rows = first + tl.arange(0, BLOCK)
    q = _load_tile(q_desc, head, first, BLOCK, BLOCK_D)
    do = _load_tile(do_desc, head, first, BLOCK, BLOCK_D)
    row_max = tl.full([BLOCK], LOWEST, tl.float32)
    row_sum = tl.zeros([BLOCK], tl.float32)
    row_delta = tl.zeros([BLOCK], tl.float32)
    for start in range(0, first, STEP):
        row_delta, row_sum, row_max = _sums_tile(
            row_delta,
            row_sum,
            row_max,
            q,
            do,
            k_desc,
            v_desc,
            head,
            start,
            rows,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=False,
        )
    for start in range(first, tl.minimum(S, first + BLOCK), STEP):
        row_delta, row_sum, row_max = _sums_tile(
            row_delta,
            row_sum,
            row_max,
            q,
            do,
            k_desc,
            v_desc,
            head,
            start,
            rows,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=True,
        )
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    places = head.to(tl.int64) * S + rows
    log_sum = row_max * scale_log2e + tl.log2(row_sum)
    tl.store(log_sum_ptr + places, log_sum, mask=rows < S)
    tl.store(delta_ptr + places, row_delta / row_sum, mask=rows < S)


@triton.jit
def _keys_tile(
    dk,
    dv,
    k,
    v,
    q_desc,
    do_desc,
    log_sum_ptr,
    delta_ptr,
    head,
    start,
    cols,
    S,
    scale,
    scale_log2e,
    STEP: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Add what STEP rows from `start` give to dk and dv. Scores are transposed: [keys, rows]."""
    rows = start + tl.arange(0, STEP)
    # A row past S has an infinite sum, which makes its weights zero.
    log_sum = tl.load(log_sum_ptr + rows, mask=rows < S, other=float("inf"))
    delta = tl.load(delta_ptr + rows, mask=rows < S, other=0.0)
    q = _load_tile(q_desc, head, start, STEP, BLOCK_D)
    p = tl.exp2(tl.dot(k, q.T) * scale_log2e - log_sum[None, :])
    if MASKED:
        p = tl.where(rows[None, :] >= cols[:, None], p, 0.0)
    do = _load_tile(do_desc, head, start, STEP, BLOCK_D)
    dv = tl.dot(p.to(do.dtype), do, dv)
    ds = p * (tl.dot(v, do.T) - delta[None, :]) * scale
    dk = tl.dot(ds.to(q.dtype), q, dk)
    return dk, dv


@triton.jit
def _keys_kernel(
    q_desc,
    k_desc,
    v_desc,
    do_desc,
    log_sum_ptr,
    delta_ptr,
    dk_ptr,
    dv_ptr,
    S,
    scale,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEP: tl.constexpr,
):
    """dk and dv of BLOCK keys: a walk over the rows that see them, the diagonal first."""
    head = tl.program_id(1)
    # The first keys are seen by the most rows.
    first = tl.program_id(0) * BLOCK
    cols = first + tl.arange(0, BLOCK)
    log_sum_ptr += head.to(tl.int64) * S
    delta_ptr += head.to(tl.int64) * S
    k = _load_tile(k_desc, head, first, BLOCK, BLOCK_D)
    v = _load_tile(v_desc, head, first, BLOCK, BLOCK_D)
    dk = tl.zeros([BLOCK, BLOCK_D], tl.float32)
    dv = tl.zeros([BLOCK, BLOCK_D], tl.float32)
    below = tl.minimum(S, first + BLOCK)
    for start in range(first, below, STEP):
        dk, dv = _keys_tile(
            dk,
            dv,
            k,
            v,
            q_desc,
            do_desc,
            log_sum_ptr,
            delta_ptr,
            head,
            start,
            cols,
            S,
            scale,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=True,
        )
    for start in range(first + BLOCK, S, STEP):
        dk, dv = _keys_tile(
            dk,
            dv,
            k,
            v,
            q_desc,
            do_desc,
            log_sum_ptr,
            delta_ptr,
            head,
            start,
            cols,
            S,
            scale,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=False,
        )
    offs_d = tl.arange(0, BLOCK_D)
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    offs = head.to(tl.int64) * S * D + cols[:, None] * D + offs_d[None, :]
    mask = (cols[:, None] < S) & (offs_d[None, :] < D)
    tl.store(dk_ptr + offs, dk.to(dk_ptr.dtype.element_ty), mask=mask)
    tl.store(dv_ptr + offs, dv.to(dv_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _rows_tile(
    dq,
    q,
    do,
    k_desc,
    v_desc,
    log_sum,
    delta,
    head,
    start,
    rows,
    scale,
    scale_log2e,
    STEP: tl.constexpr,
    BLOCK_D: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Add what STEP keys from `start` give to dq."""
    k = _load_tile(k_desc, head, start, STEP, BLOCK_D)
    p = tl.exp2(tl.dot(q, k.T) * scale_log2e - log_sum[:, None])
    if MASKED:
        cols = start + tl.arange(0, STEP)
        p = tl.where(rows[:, None] >= cols[None, :], p, 0.0)
    v = _load_tile(v_desc, head, start, STEP, BLOCK_D)
    ds = p * (tl.dot(do, v.T) - delta[:, None]) * scale
    return tl.dot(ds.to(k.dtype), k, dq)


@triton.jit
def _rows_kernel(
    q_desc,
    k_desc,
    v_desc,
    do_desc,
    log_sum_ptr,
    delta_ptr,
    dq_ptr,
    S,
    scale,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK: tl.constexpr,
    STEP: tl.constexpr,
):
    """dq of BLOCK rows: a walk over the keys that they see."""
    head = tl.program_id(1)
    # The last tiles have the most keys: started first, they do not leave a tail of long blocks.
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BLOCK
    rows = first + tl.arange(0, BLOCK)
    places = head.to(tl.int64) * S + rows
    log_sum = tl.load(log_sum_ptr + places, mask=rows < S, other=float("inf"))
    delta = tl.load(delta_ptr + places, mask=rows < S, other=0.0)
    q = _load_tile(q_desc, head, first, BLOCK, BLOCK_D)
    do = _load_tile(do_desc, head, first, BLOCK, BLOCK_D)
    dq = tl.zeros([BLOCK, BLOCK_D], tl.float32)
    for start in range(0, first, STEP):
        dq = _rows_tile(
            dq,
            q,
            do,
            k_desc,
            v_desc,
            log_sum,
            delta,
            head,
            start,
            rows,
            scale,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=False,
        )
    for start in range(first, tl.minimum(S, first + BLOCK), STEP):
        dq = _rows_tile(
            dq,
            q,
            do,
            k_desc,
            v_desc,
            log_sum,
            delta,
            head,
            start,
            rows,
            scale,
            scale_log2e,
            STEP,
            BLOCK_D,
            MASKED=True,
        )
    offs_d = tl.arange(0, BLOCK_D)
    offs = head.to(tl.int64) * S * D + rows[:, None] * D + offs_d[None, :]
    mask = (rows[:, None] < S) & (offs_d[None, :] < D)
    tl.store(dq_ptr + offs, dq.to(dq_ptr.dtype.element_ty), mask=mask)


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
    """dq, dk and dv of softmax(q kᵀ / sqrt(D), keys up to the query's own position) v.

    All tensors are contiguous float16 or bfloat16 [B, H, S, D], D a multiple of 8 up to 128;
    products are accumulated in float32. No atomics: the result is the same from run to run. Raises
    ValueError, before any launch, for anything else.
    """
    _check_inputs(q, k, v, do)
    B, H, S, D = q.shape
    dq, dk, dv = (torch.empty(q.shape, dtype=q.dtype, device=q.device) for _ in range(3))
    if q.numel() == 0:
        return dq, dk, dv
    log_sum = torch.empty((B * H, S), dtype=torch.float32, device=q.device)
    delta = torch.empty((B * H, S), dtype=torch.float32, device=q.device)
    config = pick_config(q, k, v, do)
    block_d = max(16, triton.next_power_of_2(D))

    def tiles(tensor, rows):
        # With a dimension for the head, rows past S read as zero, not as the next head.
        return TensorDescriptor(tensor, [B * H, S, D], [S * D, D, 1], [1, rows, block_d])

    held = [tiles(tensor, config["BLOCK"]) for tensor in (q, k, v, do)]
    walked = [tiles(tensor, config["STEP"]) for tensor in (q, k, v, do)]
    of_rows = (held[0], walked[1], walked[2], held[3])
    of_keys = (walked[0], held[1], held[2], walked[3])
    scale = D**-0.5
    scales = (scale, scale * LOG2E.value)
    grid = (triton.cdiv(S, config["BLOCK"]), B * H)
    sizes = {"BLOCK_D": block_d, **config}
    _sums_kernel[grid](*of_rows, log_sum, delta, S, scales[1], **sizes)
    _keys_kernel[grid](*of_keys, log_sum, delta, dk, dv, S, *scales, D=D, **sizes)
    _rows_kernel[grid](*of_rows, log_sum, delta, dq, S, *scales, D=D, **sizes)
    return dq, dk, dv
