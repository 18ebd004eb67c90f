"""Kullback-Leibler divergence of two softmax distributions, from their logits."""

import torch
import triton
import triton.language as tl

# Up to here both rows stay in the registers of one program and are read once. Longer rows are
# read twice, the second time from cache.
MAX_BLOCK = 8192
SUM_BLOCK = 4096


@triton.jit
def _fold(lane_max, lane_sum, x):
    """Fold x into an online maximum and sum of exponentials, lane by lane."""
    new_max = tl.maximum(lane_max, x)
    # A lane that saw nothing but -inf has no sum yet, and inf - inf must not give it one.
    finite_max = tl.where(new_max == float("-inf"), 0.0, new_max)
    return new_max, lane_sum * tl.exp(lane_max - finite_max) + tl.exp(x - finite_max)


@triton.jit
def _terms(p, q, p_top, q_top, p_log_sum, q_log_sum):
    """Q d - Q + P with d = log Q - log P, for softmaxes P of p and Q of q: never below zero.

    P and Q both add up to 1, so their sums cancel; but without them, distributions that hardly
    differ would leave a sum of rounding errors, for the divergence is of second order in d.
    """
    log_p = (p - p_top) - p_log_sum
    log_q = (q - q_top) - q_log_sum
    d = log_q - log_p
    # d - 1 + exp(-d), as a series where the difference would cancel: 7e-7 of it at |d| = 1/8.
    small = d * d * (0.5 - d * (1 / 6 - d * (1 / 24 - d * (1 / 120))))
    probability = tl.exp(log_q)
    return tl.where(
        tl.abs(d) < 0.125, probability * small, probability * d - probability + tl.exp(log_p)
    )


@triton.jit
def _row_divergence_kernel(
    p_ptr,
    q_ptr,
    loss_ptr,
    N,
    stride_pm,
    stride_pn,
    stride_qm,
    stride_qn,
    BLOCK_N: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
):
    """The divergence of one row. ONE_BLOCK: N fits into BLOCK_N, and the row is read once."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    row = tl.program_id(0).to(tl.int64)
    p_ptr += row * stride_pm
    q_ptr += row * stride_qm
    if ONE_BLOCK:
        cols = tl.arange(0, BLOCK_N)
        mask = cols < N
        p = tl.load(p_ptr + cols * stride_pn, mask=mask, other=float("-inf")).to(tl.float32)
        q = tl.load(q_ptr + cols * stride_qn, mask=mask, other=float("-inf")).to(tl.float32)
        p_top = tl.max(p, 0)
        q_top = tl.max(q, 0)
        p_log_sum = tl.log(tl.sum(tl.exp(p - p_top), 0))
        q_log_sum = tl.log(tl.sum(tl.exp(q - q_top), 0))
        # Past N both are -inf: zeros keep them clear of inf - inf, and do not count.
        terms = _terms(
            tl.where(mask, p, 0.0), tl.where(mask, q, 0.0), p_top, q_top, p_log_sum, q_log_sum
        )
        loss = tl.sum(tl.where(mask, terms, 0.0), 0)
    else:
        p_max = tl.full([BLOCK_N], float("-inf"), tl.float32)
        q_max = tl.full([BLOCK_N], float("-inf"), tl.float32)
        p_sum = tl.zeros([BLOCK_N], tl.float32)
        q_sum = tl.zeros([BLOCK_N], tl.float32)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            mask = cols < N
            p = tl.load(p_ptr + cols * stride_pn, mask=mask, other=float("-inf")).to(tl.float32)
            q = tl.load(q_ptr + cols * stride_qn, mask=mask, other=float("-inf")).to(tl.float32)
            p_max, p_sum = _fold(p_max, p_sum, p)
            q_max, q_sum = _fold(q_max, q_sum, q)
        p_top = tl.max(p_max, 0)
        q_top = tl.max(q_max, 0)
        p_log_sum = tl.log(tl.sum(p_sum * tl.exp(p_max - p_top), 0))
        q_log_sum = tl.log(tl.sum(q_sum * tl.exp(q_max - q_top), 0))
        lanes = tl.zeros([BLOCK_N], tl.float32)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            mask = cols < N
            p = tl.load(p_ptr + cols * stride_pn, mask=mask, other=0.0).to(tl.float32)
            q = tl.load(q_ptr + cols * stride_qn, mask=mask, other=0.0).to(tl.float32)
            lanes += tl.where(mask, _terms(p, q, p_top, q_top, p_log_sum, q_log_sum), 0.0)
        loss = tl.sum(lanes, 0)
    tl.store(loss_ptr + row, loss)


@triton.jit
def _mean_kernel(loss_ptr, y_ptr, M, BLOCK: tl.constexpr):
    """The mean of M row losses, in one program: no atomics, so always the same sum."""
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        total += tl.load(loss_ptr + offs, mask=offs < M, other=0.0)
    tl.store(y_ptr, (tl.sum(total, 0) / M).to(y_ptr.dtype.element_ty))


def _check_inputs(logits, target_logits):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if logits.dim() != 2 or logits.numel() == 0:
        raise ValueError(f"logits must be [M, N] and not empty, not {tuple(logits.shape)}")
    if logits.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"logits must be float16, bfloat16 or float32, not {logits.dtype}")
    if target_logits.shape != logits.shape or target_logits.dtype != logits.dtype:
        raise ValueError("target_logits must have the shape and the dtype of logits")
    if target_logits.device != logits.device:
        raise ValueError(f"target_logits is on {target_logits.device}, not {logits.device}")


def kl_divergence(logits, target_logits):
    """The mean over rows of KL(softmax(target_logits) || softmax(logits)), of no axes.

    Both are floating [M, N] of one dtype with any strides; computed in float32. Raises ValueError
    for anything else.
    """
    _check_inputs(logits, target_logits)
    M, N = logits.shape
    losses = torch.empty((M,), dtype=torch.float32, device=logits.device)
    y = torch.empty((), dtype=logits.dtype, device=logits.device)
    block_n = min(triton.next_power_of_2(N), MAX_BLOCK)
    _row_divergence_kernel[(M,)](
        logits,
        target_logits,
        losses,
        N,
        *logits.stride(),
        *target_logits.stride(),
        BLOCK_N=block_n,
        ONE_BLOCK=block_n >= N,
        num_warps=min(max(block_n // 512, 1), 16),
    )
    block = min(triton.next_power_of_2(M), SUM_BLOCK)
    _mean_kernel[(1,)](losses, y, M, BLOCK=block, num_warps=min(max(block // 256, 1), 16))
    return y
