"""Convolution of images as an implicit matrix product over padded channels-last copies."""

import torch
import triton
import triton.language as tl

STRIDE = 1
PADDING = 1
DILATION = 1
# Pixels that one program of the copying kernel takes.
PACK_BLOCK = 64

TUNABLES = {
    "BLOCK_O": [64, 128],
    "BLOCK_P": [64, 128, 256],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {"BLOCK_O": 128, "BLOCK_P": 128, "num_warps": 8, "num_stages": 3}


def pick_config(x, weight, bias):
    return CONFIG


@triton.jit
def _pack_kernel(
    source_ptr,
    packed_ptr,
    C,
    H,
    W,
    packed_h,
    packed_w,
    packed_c,
    blocks,
    PADDING: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """[B, C, H, W] → [B, packed_h, packed_w, packed_c], zeros around the image and past C."""
    tiles_c = packed_c // BLOCK_C
    # int64: offsets pass 2**31 elements in large tensors.
    batch = (tl.program_id(0) // (blocks * tiles_c)).to(tl.int64)
    pixels = tl.program_id(0) // tiles_c % blocks * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(0) % tiles_c * BLOCK_C + tl.arange(0, BLOCK_C)
    row = pixels // packed_w - PADDING
    col = pixels % packed_w - PADDING
    inside = (row >= 0) & (row < H) & (col >= 0) & (col < W)
    source = tl.load(
        source_ptr + (batch * C + c[:, None]) * H * W + (row * W + col)[None, :],
        mask=(c[:, None] < C) & inside[None, :],
        other=0.0,
    )
    offs = (batch * packed_h * packed_w + pixels[:, None]) * packed_c + c[None, :]
    tl.store(packed_ptr + offs, tl.trans(source), mask=pixels[:, None] < packed_h * packed_w)


@triton.jit
def _conv2d_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    pixels,
    packed_h,
    packed_w,
    packed_c,
    C_OUT,
    out_h,
    out_w,
    KERNEL_H: tl.constexpr,
    KERNEL_W: tl.constexpr,
    STRIDE: tl.constexpr,
    DILATION: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A tile of BLOCK_O output channels by BLOCK_P output pixels of all images.

    x is [B, packed_h, packed_w, packed_c], w [C_OUT, KERNEL_H, KERNEL_W, packed_c].
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    # Tiles of the same pixels follow each other: they read the same part of x.
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: offsets pass 2**31 elements in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    # Pixels and channels past the end wrap around to some that exist, and are never stored.
    area = out_h * out_w
    image = offs_p % pixels // area
    pixel = (offs_p % pixels % area).to(tl.int32)
    corner = (pixel // out_w * packed_w + pixel % out_w) * STRIDE
    offs_c = tl.arange(0, BLOCK_C)
    x_rows = image * packed_h * packed_w + corner
    x_ptrs = x_ptr + x_rows[None, :] * packed_c + offs_c[:, None]
    taps = KERNEL_H * KERNEL_W
    w_ptrs = w_ptr + (offs_o % C_OUT)[:, None] * taps * packed_c + offs_c[None, :]
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    # One loop over channels and taps: a loop in a loop would drain the pipeline. Taps go first,
    # because what they share of a block of channels is then still in L2.
    for step in range(packed_c // BLOCK_C * taps):
        tap = step % taps
        channels = step // taps * BLOCK_C
        shift = (tap // KERNEL_W * packed_w + tap % KERNEL_W) * DILATION
        # The border is zeros that are there: no load is masked.
        x = tl.load(x_ptrs + (shift * packed_c + channels))
        w = tl.load(w_ptrs + (tap * packed_c + channels))
        # Three TF32 products keep float32's accuracy; operands of 16 bits are not changed.
        acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    y_ptrs = y_ptr + (image[None, :] * C_OUT + offs_o[:, None]) * area + pixel[None, :]
    mask = (offs_o[:, None] < C_OUT) & (offs_p[None, :] < pixels)
    tl.store(y_ptrs, (acc + bias[:, None]).to(y_ptr.dtype.element_ty), mask=mask)


def _channel_block(x):
    """Channels in one step of the product: 128 bytes, as a row of shared memory has."""
    return min(128 // x.element_size(), max(16, triton.next_power_of_2(x.shape[1])))


def _pack(source, padding, block_c):
    """A channels-last copy of source [B, C, H, W], with a border and whole blocks of channels."""
    B, C, H, W = source.shape
    packed_h, packed_w = H + 2 * padding, W + 2 * padding
    packed_c = triton.cdiv(C, block_c) * block_c
    packed = torch.empty(
        (B, packed_h, packed_w, packed_c), dtype=source.dtype, device=source.device
    )
    blocks = triton.cdiv(packed_h * packed_w, PACK_BLOCK)
    _pack_kernel[(B * blocks * (packed_c // block_c),)](
        source,
        packed,
        C,
        H,
        W,
        packed_h,
        packed_w,
        packed_c,
        blocks,
        PADDING=padding,
        BLOCK_P=PACK_BLOCK,
        BLOCK_C=block_c,
        num_warps=4,
    )
    return packed


def _output_size(size, kernel):
    return (size + 2 * PADDING - DILATION * (kernel - 1) - 1) // STRIDE + 1


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[1] or not x.shape[1]:
        raise ValueError(
            f"x must be [B, C, H, W] and weight [O, C, KH, KW] with C ≥ 1, not "
            f"{tuple(x.shape)}, {tuple(weight.shape)}"
        )
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{weight.shape[0]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if min(map(_output_size, x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(f"x is smaller than a window: {tuple(x.shape)}")


def conv2d(x, weight, bias):
    """x convolved with weight, plus bias: stride 1, padding 1, dilation 1.

    x [B, C, H, W], weight [O, C, KH, KW] and bias [O] are of one floating dtype; the result is a
    contiguous [B, O, out_h, out_w], accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    (B, _, H, W), (out_c, _, kernel_h, kernel_w) = x.shape, weight.shape
    out_h, out_w = _output_size(H, kernel_h), _output_size(W, kernel_w)
    y = torch.empty((B, out_c, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_c = _channel_block(x)
    packed_x, packed_w = _pack(x, PADDING, block_c), _pack(weight, 0, block_c)
    config = pick_config(x, weight, bias)
    pixels = B * out_h * out_w
    tiles = triton.cdiv(pixels, config["BLOCK_P"]) * triton.cdiv(out_c, config["BLOCK_O"])
    _conv2d_kernel[(tiles,)](
        packed_x,
        packed_w,
        bias,
        y,
        pixels,
        *packed_x.shape[1:],
        out_c,
        out_h,
        out_w,
        KERNEL_H=kernel_h,
        KERNEL_W=kernel_w,
        STRIDE=STRIDE,
        DILATION=DILATION,
        BLOCK_C=block_c,
        **config,
    )
    return y
