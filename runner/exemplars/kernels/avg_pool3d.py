"""Average pooling of volumes: one lane an output, in windows of any number of axes up to three."""

import torch
import triton
import triton.language as tl

# For one or two axes, pool over [B, C, 1, 1, L] or [B, C, 1, H, W] with 1 for the axes before.
KERNEL = (3, 3, 3)
STRIDE = (2, 2, 2)
PADDING = (1, 1, 1)
KERNEL_ELEMENTS = KERNEL[0] * KERNEL[1] * KERNEL[2]

TUNABLES = {"BLOCK": [128, 256, 512], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 256, "num_warps": 4}


def pick_config(x):
    return CONFIG


@triton.jit
def _avg_pool_kernel(
    x_ptr,
    y_ptr,
    D,
    H,
    W,
    out_h,
    out_w,
    out_size,
    blocks,
    inverse_count,
    KERNEL_D: tl.constexpr,
    KERNEL_H: tl.constexpr,
    KERNEL_W: tl.constexpr,
    STRIDE_D: tl.constexpr,
    STRIDE_H: tl.constexpr,
    STRIDE_W: tl.constexpr,
    PADDING_D: tl.constexpr,
    PADDING_H: tl.constexpr,
    PADDING_W: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """BLOCK outputs of one volume. Padding counts as zeros that are there."""
    # int64: the offset of a volume passes 2**31 elements in large tensors.
    volume = (tl.program_id(0) // blocks).to(tl.int64)
    outputs = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    front = outputs // (out_h * out_w) * STRIDE_D - PADDING_D
    top = outputs // out_w % out_h * STRIDE_H - PADDING_H
    left = outputs % out_w * STRIDE_W - PADDING_W
    x_ptr += volume * D * H * W
    total = tl.zeros([BLOCK], tl.float32)
    for k in range(KERNEL_D):
        depth = front + k
        for i in tl.static_range(KERNEL_H):
            row = top + i
            inside = (depth >= 0) & (depth < D) & (row >= 0) & (row < H)
            for j in tl.static_range(KERNEL_W):
                col = left + j
                mask = inside & (col >= 0) & (col < W)
                x = tl.load(x_ptr + (depth * H + row) * W + col, mask=mask, other=0.0)
                total += x.to(tl.float32)
    y = total * inverse_count
    tl.store(
        y_ptr + volume * out_size + outputs,
        y.to(y_ptr.dtype.element_ty),
        mask=outputs < out_size,
    )


def _output_sizes(x):
    return tuple(
        (size + 2 * padding - kernel) // stride + 1
        for size, kernel, stride, padding in zip(x.shape[2:], KERNEL, STRIDE, PADDING, strict=True)
    )


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() != 5 or min(_output_sizes(x)) < 1:
        raise ValueError(
            f"x must be [B, C, D, H, W], no smaller than a window, not {tuple(x.shape)}"
        )
    if x.shape[2] * x.shape[3] * x.shape[4] >= 2**31:
        raise ValueError("a volume of x must have fewer than 2**31 elements")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def avg_pool3d(x):
    """The mean of each 3 x 3 x 3 window of a floating x [B, C, D, H, W]: stride 2, padding 1.

    Padding counts, as in torch.nn.functional.avg_pool3d. The result is contiguous, of x's dtype,
    each of D, H, W being (size - 1) // 2 + 1. Raises ValueError for anything else.
    """
    _check_inputs(x)
    x = x.contiguous()
    B, C, D, H, W = x.shape
    out_d, out_h, out_w = _output_sizes(x)
    y = torch.empty((B, C, out_d, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x)
    out_size = out_d * out_h * out_w
    blocks = triton.cdiv(out_size, config["BLOCK"])
    _avg_pool_kernel[(B * C * blocks,)](
        x,
        y,
        D,
        H,
        W,
        out_h,
        out_w,
        out_size,
        blocks,
        1.0 / KERNEL_ELEMENTS,
        *KERNEL,
        *STRIDE,
        *PADDING,
        **config,
    )
    return y
