"""Maximum pooling of images: one lane an output, neighbours in a row of the input side by side."""

import torch
import triton
import triton.language as tl

KERNEL = 3
STRIDE = 2
PADDING = 1
DILATION = 1

TUNABLES = {"BLOCK": [256, 512, 1024], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 512, "num_warps": 4}


def pick_config(x):
    return CONFIG


@triton.jit
def _max_pool_kernel(
    x_ptr,
    y_ptr,
    H,
    W,
    out_h,
    out_w,
    blocks,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """BLOCK outputs of one plane. What several windows share is read again from cache."""
    # int64: the offset of a plane passes 2**31 elements in large tensors.
    plane = (tl.program_id(0) // blocks).to(tl.int64)
    outputs = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    top = outputs // out_w * STRIDE - PADDING
    left = outputs % out_w * STRIDE - PADDING
    x_ptr += plane * H * W
    best = tl.full([BLOCK], float("-inf"), tl.float32)
    for i in tl.static_range(KERNEL):
        for j in tl.static_range(KERNEL):
            row = top + i * DILATION
            col = left + j * DILATION
            mask = (row >= 0) & (row < H) & (col >= 0) & (col < W)
            x = tl.load(x_ptr + row * W + col, mask=mask, other=float("-inf")).to(tl.float32)
            # As in PyTorch, a NaN in the window is the result.
            best = tl.maximum(best, x, propagate_nan=tl.PropagateNan.ALL)
    offs = plane * out_h * out_w + outputs
    tl.store(y_ptr + offs, best.to(y_ptr.dtype.element_ty), mask=outputs < out_h * out_w)


def _output_size(size):
    return (size + 2 * PADDING - DILATION * (KERNEL - 1) - 1) // STRIDE + 1


def _check_inputs(x):
    """Raise ValueError for what the kernel cannot handle, naming the reason."""
    if x.dim() != 4 or min(_output_size(x.shape[2]), _output_size(x.shape[3])) < 1:
        raise ValueError(f"x must be [B, C, H, W], no smaller than a window, not {tuple(x.shape)}")
    if x.shape[2] * x.shape[3] >= 2**31:
        raise ValueError("a plane of x must have fewer than 2**31 elements")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")


def max_pool2d(x):
    """The maximum of each 3 x 3 window of a floating x [B, C, H, W]: stride 2, padding 1.

    The result is a contiguous [B, C, (H - 1) // 2 + 1, (W - 1) // 2 + 1] of x's dtype. Raises
    ValueError for anything else.
    """
    _check_inputs(x)
    x = x.contiguous()
    B, C, H, W = x.shape
    out_h, out_w = _output_size(H), _output_size(W)
    y = torch.empty((B, C, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x)
    blocks = triton.cdiv(out_h * out_w, config["BLOCK"])
    _max_pool_kernel[(B * C * blocks,)](
        x,
        y,
        H,
        W,
        out_h,
        out_w,
        blocks,
        KERNEL=KERNEL,
        STRIDE=STRIDE,
        PADDING=PADDING,
        DILATION=DILATION,
        **config,
    )
    return y
