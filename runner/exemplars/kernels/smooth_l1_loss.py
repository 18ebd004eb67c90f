"""A loss over all elements of two tensors: partial sums by many programs, then one ordered sum."""

import torch
import triton
import triton.language as tl

BETA = tl.constexpr(1.0)
# Partial sums: several programs for each multiprocessor of a large GPU, few enough for one
# program to add.
MAX_PROGRAMS = 2048

TUNABLES = {"BLOCK": [1024, 2048, 4096], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 2048, "num_warps": 8}


def pick_config(prediction, target):
    return CONFIG


@triton.jit
def _loss(prediction, target):
    """The loss of one element, in float32. For the squared error: d * d."""
    d = tl.abs(prediction - target)
    return tl.where(d < BETA, 0.5 * d * d / BETA, d - 0.5 * BETA)


@triton.jit
def _partial_kernel(p_ptr, t_ptr, sums_ptr, n_elements, BLOCK: tl.constexpr):
    """The sum over every num_programs-th block."""
    acc = tl.zeros([BLOCK], tl.float32)
    # int64: an offset passes 2**31 elements in large tensors.
    step = tl.num_programs(0).to(tl.int64) * BLOCK
    for first in range(tl.program_id(0).to(tl.int64) * BLOCK, n_elements, step):
        offs = tl.arange(0, BLOCK)
        mask = offs < n_elements - first
        p = tl.load(p_ptr + first + offs, mask=mask, other=0.0).to(tl.float32)
        t = tl.load(t_ptr + first + offs, mask=mask, other=0.0).to(tl.float32)
        # A function that is not 0 at (0, 0) must not count where nothing was loaded.
        acc += tl.where(mask, _loss(p, t), 0.0)
    tl.store(sums_ptr + tl.program_id(0), tl.sum(acc, 0))


@triton.jit
def _mean_kernel(sums_ptr, y_ptr, programs, n_elements, BLOCK: tl.constexpr):
    """The mean from the partial sums, in one program: no atomics, so always the same sum."""
    offs = tl.arange(0, BLOCK)
    total = tl.sum(tl.load(sums_ptr + offs, mask=offs < programs, other=0.0), 0)
    tl.store(y_ptr, (total / n_elements).to(y_ptr.dtype.element_ty))


def _check_inputs(prediction, target):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if prediction.numel() == 0:
        raise ValueError(f"prediction is empty: {tuple(prediction.shape)}")
    if prediction.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"prediction must be float16, bfloat16 or float32: {prediction.dtype}")
    if target.shape != prediction.shape or target.dtype != prediction.dtype:
        raise ValueError("target must have the shape and the dtype of prediction")
    if target.device != prediction.device:
        raise ValueError(f"target is on {target.device}, prediction on {prediction.device}")


def smooth_l1_loss(prediction, target):
    """The mean of d² / 2 where d = |prediction - target| < 1, else of d - 1/2.

    Both are floating, of one shape and dtype; the result has no axes and that dtype. Computed in
    float32. Raises ValueError for anything else.
    """
    _check_inputs(prediction, target)
    prediction, target = prediction.contiguous(), target.contiguous()
    config = pick_config(prediction, target)
    n_elements = prediction.numel()
    programs = min(triton.cdiv(n_elements, config["BLOCK"]), MAX_PROGRAMS)
    sums = torch.empty((programs,), dtype=torch.float32, device=prediction.device)
    y = torch.empty((), dtype=prediction.dtype, device=prediction.device)
    _partial_kernel[(programs,)](prediction, target, sums, n_elements, **config)
    _mean_kernel[(1,)](
        sums, y, programs, n_elements, BLOCK=triton.next_power_of_2(programs), num_warps=4
    )
    return y
