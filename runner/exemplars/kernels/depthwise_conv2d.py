"""Depthwise convolution of images, directly: it is bound by memory, so there is no product."""

import torch
import triton
import triton.language as tl

STRIDE = 1
PADDING = 1
DILATION = 1

TUNABLES = {"BLOCK": [256, 512, 1024], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 512, "num_warps": 4}


def pick_config(x, weight, bias):
    return CONFIG


@triton.jit
def _depthwise_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    C,
    H,
    W,
    out_h,
    out_w,
    blocks,
    KERNEL_H: tl.constexpr,
    KERNEL_W: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """BLOCK outputs of one plane; each weight is one number for all of them."""
    # int64: the offset of a plane passes 2**31 elements in large tensors.
    plane = (tl.program_id(0) // blocks).to(tl.int64)
    channel = plane % C
    outputs = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    top = outputs // out_w * STRIDE - PADDING
    left = outputs % out_w * STRIDE - PADDING
    x_ptr += plane * H * W
    w_ptr += channel * KERNEL_H * KERNEL_W
    acc = tl.zeros([BLOCK], tl.float32) + tl.load(b_ptr + channel).to(tl.float32)
    for i in tl.static_range(KERNEL_H):
        row = top + i * DILATION
        inside = (row >= 0) & (row < H)
        for j in tl.static_range(KERNEL_W):
            col = left + j * DILATION
            mask = inside & (col >= 0) & (col < W)
            x = tl.load(x_ptr + row * W + col, mask=mask, other=0.0).to(tl.float32)
            acc += x * tl.load(w_ptr + i * KERNEL_W + j).to(tl.float32)
    offs = plane * out_h * out_w + outputs
    tl.store(y_ptr + offs, acc.to(y_ptr.dtype.element_ty), mask=outputs < out_h * out_w)


def _output_size(size, kernel):
    return (size + 2 * PADDING - DILATION * (kernel - 1) - 1) // STRIDE + 1


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 4 or x.shape[2] * x.shape[3] >= 2**31:
        raise ValueError(f"x must be [B, C, H, W] with H W < 2**31, not {tuple(x.shape)}")
    if weight.dim() != 4 or tuple(weight.shape[:2]) != (x.shape[1], 1):
        raise ValueError(f"weight must be [{x.shape[1]}, 1, KH, KW], not {tuple(weight.shape)}")
    if bias.shape != x.shape[1:2]:
        raise ValueError(f"bias must be [{x.shape[1]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if min(map(_output_size, x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(f"x is smaller than a window: {tuple(x.shape)}")


def depthwise_conv2d(x, weight, bias):
    """Each channel of x convolved with its own filter, plus bias: stride 1, padding 1.

    x [B, C, H, W], weight [C, 1, KH, KW] and bias [C] are of one floating dtype; the result is
    contiguous, accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    B, C, H, W = x.shape
    kernel_h, kernel_w = weight.shape[2:]
    out_h, out_w = _output_size(H, kernel_h), _output_size(W, kernel_w)
    y = torch.empty((B, C, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x, weight, bias)
    blocks = triton.cdiv(out_h * out_w, config["BLOCK"])
    _depthwise_kernel[(B * C * blocks,)](
        x,
        weight,
        bias,
        y,
        C,
        H,
        W,
        out_h,
        out_w,
        blocks,
        KERNEL_H=kernel_h,
        KERNEL_W=kernel_w,
        STRIDE=STRIDE,
        PADDING=PADDING,
        DILATION=DILATION,
        **config,
    )
    return y
