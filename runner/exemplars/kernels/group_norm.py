"""Group normalisation of images: statistics of parts of a group, then a pass to apply them."""

import torch
import triton
import triton.language as tl

GROUPS = 8
EPS = 1e-5
# One part of a group is read by one program, in blocks; a group has at most MAX_PARTS of them,
# and they grow with the group.
BLOCK = 4096
MAX_PARTS = 64


@triton.jit
def _statistics_kernel(x_ptr, mean_ptr, squares_ptr, size, part_size, parts, BLOCK: tl.constexpr):
    """Mean and sum of squared deviations of one part of a group, which is contiguous in x."""
    # int64: the offset of a group passes 2**31 elements in large tensors.
    group = (tl.program_id(0) // parts).to(tl.int64)
    first = tl.program_id(0) % parts * part_size
    x_ptr += group * size
    last = tl.minimum(first + part_size, size)
    mean = 0.0
    squares = 0.0
    for start in range(first, last, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        mask = offs < last
        x = tl.load(x_ptr + offs, mask=mask, other=0.0).to(tl.float32)
        # A block's own deviations, then two sets as one (Chan, Golub, LeVeque 1979): squares of
        # the values themselves would cancel.
        count = tl.minimum(last - start, BLOCK).to(tl.float32)
        before = (start - first).to(tl.float32)
        block_mean = tl.sum(x, 0) / count
        deviation = tl.where(mask, x - block_mean, 0.0)
        delta = block_mean - mean
        mean += delta * count / (before + count)
        squares += tl.sum(deviation * deviation, 0)
        squares += delta * delta * before * count / (before + count)
    tl.store(mean_ptr + tl.program_id(0), mean)
    tl.store(squares_ptr + tl.program_id(0), squares)


@triton.jit
def _apply_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    mean_ptr,
    squares_ptr,
    groups,
    channels,
    area,
    size,
    part_size,
    parts,
    blocks,
    eps,
    PARTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Normalise one block of one channel: weight and bias are one number each."""
    plane = (tl.program_id(0) // blocks).to(tl.int64)
    channel = plane % channels
    group = plane // (channels // groups)
    i = tl.arange(0, PARTS)
    exists = i < parts
    counts = tl.where(exists, tl.minimum(size - i * part_size, part_size), 0).to(tl.float32)
    means = tl.load(mean_ptr + group * parts + i, mask=exists, other=0.0)
    squares = tl.load(squares_ptr + group * parts + i, mask=exists, other=0.0)
    mean = tl.sum(means * counts, 0) / size
    delta = means - mean
    variance = tl.sum(squares + delta * delta * counts, 0) / size
    inverse_std = tl.rsqrt(variance + eps)
    weight = tl.load(w_ptr + channel).to(tl.float32)
    bias = tl.load(b_ptr + channel).to(tl.float32)

    offs = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    mask = offs < area
    x = tl.load(x_ptr + plane * area + offs, mask=mask, other=0.0).to(tl.float32)
    y = (x - mean) * inverse_std * weight + bias
    tl.store(y_ptr + plane * area + offs, y.to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 4 or x.shape[1] % GROUPS:
        raise ValueError(f"x must be [B, C, H, W] with C % {GROUPS} = 0, not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.shape != x.shape[1:2]:
            raise ValueError(f"{name} must be [{x.shape[1]}], not {tuple(tensor.shape)}")
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")


def group_norm(x, weight, bias):
    """x normalised over each of 8 groups of channels of each image, times weight plus bias.

    x [B, C, H, W], weight [C] and bias [C] are of one floating dtype; the result is a contiguous
    [B, C, H, W]. Statistics are float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    B, C, H, W = x.shape
    y = torch.empty_like(x)
    if y.numel() == 0:
        return y
    size = C // GROUPS * H * W
    part_size = triton.cdiv(triton.cdiv(size, MAX_PARTS), BLOCK) * BLOCK
    parts = triton.cdiv(size, part_size)
    means = torch.empty((B * GROUPS, parts), dtype=torch.float32, device=x.device)
    squares = torch.empty_like(means)
    _statistics_kernel[(B * GROUPS * parts,)](
        x, means, squares, size, part_size, parts, BLOCK=BLOCK, num_warps=8
    )
    block = min(triton.next_power_of_2(H * W), BLOCK)
    blocks = triton.cdiv(H * W, block)
    _apply_kernel[(B * C * blocks,)](
        x,
        weight,
        bias,
        y,
        means,
        squares,
        GROUPS,
        C,
        H * W,
        size,
        part_size,
        parts,
        blocks,
        EPS,
        PARTS=triton.next_power_of_2(parts),
        BLOCK=block,
        num_warps=min(max(block // 512, 1), 8),
    )
    return y
