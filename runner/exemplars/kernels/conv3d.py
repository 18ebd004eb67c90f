"""Convolution of volumes as an implicit matrix product whose inner axis is channels times taps."""

import torch
import triton
import triton.language as tl

STRIDE = 1
PADDING = 1

TUNABLES = {
    "BLOCK_O": [32, 64, 128],
    "BLOCK_P": [64, 128, 256],
    "BLOCK_K": [16, 32, 64],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {"BLOCK_O": 64, "BLOCK_P": 128, "BLOCK_K": 32, "num_warps": 4, "num_stages": 3}


def pick_config(x, weight, bias):
    return CONFIG


@triton.jit
def _conv3d_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    points,
    C_IN,
    D,
    H,
    W,
    C_OUT,
    out_d,
    out_h,
    out_w,
    KERNEL_D: tl.constexpr,
    KERNEL_H: tl.constexpr,
    KERNEL_W: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """A tile of BLOCK_O output channels by BLOCK_P points of all volumes.

    The weight is read as it lies, [channels out, channels in * taps]: few input channels leave
    no part of a tile idle, as they would in a product for each tap.
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    # Tiles of the same points follow each other: they read the same part of x.
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: offsets pass 2**31 elements in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    out_size = out_d * out_h * out_w
    batch = offs_p // out_size
    point = (offs_p % out_size).to(tl.int32)
    front = point // (out_h * out_w) * STRIDE - PADDING
    top = point // out_w % out_h * STRIDE - PADDING
    left = point % out_w * STRIDE - PADDING
    x_ptrs = x_ptr + batch * C_IN * D * H * W
    exists = offs_p < points
    taps = KERNEL_D * KERNEL_H * KERNEL_W
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    for start in range(0, C_IN * taps, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        channel = k // taps
        depth = front[None, :] + (k // (KERNEL_H * KERNEL_W) % KERNEL_D)[:, None]
        row = top[None, :] + (k // KERNEL_W % KERNEL_H)[:, None]
        col = left[None, :] + (k % KERNEL_W)[:, None]
        inside = (depth >= 0) & (depth < D) & (row >= 0) & (row < H) & (col >= 0) & (col < W)
        x = tl.load(
            x_ptrs[None, :]
            + channel[:, None].to(tl.int64) * D * H * W
            + ((depth * H + row) * W + col),
            mask=inside & exists[None, :] & (channel[:, None] < C_IN),
            other=0.0,
        )
        w = tl.load(
            w_ptr + offs_o[:, None] * C_IN * taps + k[None, :],
            mask=(offs_o[:, None] < C_OUT) & (k[None, :] < C_IN * taps),
            other=0.0,
        )
        # Three TF32 products keep float32's accuracy; operands of 16 bits are not changed.
        acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    y_ptrs = y_ptr + (batch[None, :] * C_OUT + offs_o[:, None]) * out_size + point[None, :]
    mask = (offs_o[:, None] < C_OUT) & exists[None, :]
    tl.store(y_ptrs, (acc + bias[:, None]).to(y_ptr.dtype.element_ty), mask=mask)


def _output_size(size, kernel):
    return (size + 2 * PADDING - kernel) // STRIDE + 1


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 5 or weight.dim() != 5 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x must be [B, C, D, H, W] and weight [O, C, KD, KH, KW], not {tuple(x.shape)}, "
            f"{tuple(weight.shape)}"
        )
    if x.shape[2] * x.shape[3] * x.shape[4] >= 2**31 or weight.numel() >= 2**31:
        raise ValueError("a volume of x, and weight, must have fewer than 2**31 elements")
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{weight.shape[0]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if min(map(_output_size, x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(f"x is smaller than a window: {tuple(x.shape)}")


def conv3d(x, weight, bias):
    """x convolved with weight, plus bias: stride 1, padding 1.

    x [B, C, D, H, W], weight [O, C, KD, KH, KW] and bias [O] are of one floating dtype; the result
    is a contiguous [B, O, out_d, out_h, out_w], accumulated in float32. Raises ValueError for
    anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    B, C = x.shape[:2]
    out_c = weight.shape[0]
    out = tuple(map(_output_size, x.shape[2:], weight.shape[2:]))
    y = torch.empty((B, out_c, *out), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x, weight, bias)
    points = B * out[0] * out[1] * out[2]
    tiles = triton.cdiv(out_c, config["BLOCK_O"]) * triton.cdiv(points, config["BLOCK_P"])
    _conv3d_kernel[(tiles,)](
        x,
        weight,
        bias,
        y,
        points,
        C,
        *x.shape[2:],
        out_c,
        *out,
        *weight.shape[2:],
        STRIDE=STRIDE,
        PADDING=PADDING,
        **config,
    )
    return y
