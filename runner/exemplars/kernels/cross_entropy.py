"""Cross-entropy of logits and class indices: an online logsumexp a row, then one ordered sum."""

import torch
import triton
import triton.language as tl

MAX_BLOCK = 4096
SUM_BLOCK = 4096


@triton.jit
def _row_loss_kernel(
    x_ptr, target_ptr, loss_ptr, V, stride_xm, stride_xv, stride_t, BLOCK_V: tl.constexpr
):
    """The loss of one row, read once: logsumexp(row) - row[target]."""
    # int64: the offset of a row passes 2**31 elements in large tensors.
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    lane_max = tl.full([BLOCK_V], float("-inf"), tl.float32)
    lane_sum = tl.zeros([BLOCK_V], tl.float32)
    for start in range(0, V, BLOCK_V):
        cols = start + tl.arange(0, BLOCK_V)
        x = tl.load(x_ptr + cols * stride_xv, mask=cols < V, other=float("-inf")).to(tl.float32)
        new_max = tl.maximum(lane_max, x)
        # A lane that saw nothing but -inf has no sum yet, and inf - inf must not give it one.
        finite_max = tl.where(new_max == float("-inf"), 0.0, new_max)
        lane_sum = lane_sum * tl.exp(lane_max - finite_max) + tl.exp(x - finite_max)
        lane_max = new_max
    largest = tl.max(lane_max, 0)
    total = tl.sum(lane_sum * tl.exp(lane_max - largest), 0)
    # From the maximum, not from zero: the two may be large and their difference small.
    target = tl.load(target_ptr + row * stride_t)
    own = tl.load(x_ptr + target * stride_xv).to(tl.float32)
    tl.store(loss_ptr + row, tl.log(total) + (largest - own))


@triton.jit
def _mean_kernel(loss_ptr, y_ptr, M, BLOCK: tl.constexpr):
    """The mean of M row losses, in one program: no atomics, so always the same sum."""
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        total += tl.load(loss_ptr + offs, mask=offs < M, other=0.0)
    tl.store(y_ptr, (tl.sum(total, 0) / M).to(y_ptr.dtype.element_ty))


def _check_inputs(logits, target):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if logits.dim() != 2 or logits.numel() == 0:
        raise ValueError(f"logits must be [M, V] and not empty, not {tuple(logits.shape)}")
    if logits.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"logits must be float16, bfloat16 or float32, not {logits.dtype}")
    if target.shape != logits.shape[:1] or target.dtype != torch.int64:
        raise ValueError(f"target must be int64 [{logits.shape[0]}], not {tuple(target.shape)}")
    if target.device != logits.device:
        raise ValueError(f"target is on {target.device}, but logits is on {logits.device}")


def cross_entropy(logits, target):
    """The mean over rows of logsumexp(logits[m]) - logits[m, target[m]], as a tensor of no axes.

    logits is a floating [M, V], target an int64 [M] of indices in [0, V), any strides; computed
    in float32. Raises ValueError for anything else, but an index out of range is not looked for.
    """
    _check_inputs(logits, target)
    M, V = logits.shape
    losses = torch.empty((M,), dtype=torch.float32, device=logits.device)
    y = torch.empty((), dtype=logits.dtype, device=logits.device)
    block_v = min(triton.next_power_of_2(V), MAX_BLOCK)
    _row_loss_kernel[(M,)](
        logits,
        target,
        losses,
        V,
        *logits.stride(),
        target.stride(0),
        BLOCK_V=block_v,
        num_warps=min(max(block_v // 256, 1), 16),
    )
    block = min(triton.next_power_of_2(M), SUM_BLOCK)
    _mean_kernel[(1,)](losses, y, M, BLOCK=block, num_warps=min(max(block // 256, 1), 16))
    return y
