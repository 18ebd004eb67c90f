"""Transposed convolution of images as implicit matrix products, one a phase of the stride."""

import torch
import triton
import triton.language as tl

STRIDE = 2
PADDING = 1

# Positions that one program of the copying kernel takes.
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
    L,
    packed_c,
    blocks,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """[B, C, L] → [B, L, packed_c], zeros past C."""
    tiles_c = packed_c // BLOCK_C
    # int64: offsets pass 2**31 elements in large tensors.
    batch = (tl.program_id(0) // (blocks * tiles_c)).to(tl.int64)
    offs_p = tl.program_id(0) // tiles_c % blocks * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(0) % tiles_c * BLOCK_C + tl.arange(0, BLOCK_C)
    source = tl.load(
        source_ptr + (batch * C + c[:, None]) * L + offs_p[None, :],
        mask=(c[:, None] < C) & (offs_p[None, :] < L),
        other=0.0,
    )
    offs = (batch * L + offs_p[:, None]) * packed_c + c[None, :]
    tl.store(packed_ptr + offs, tl.trans(source), mask=offs_p[:, None] < L)


@triton.jit
def _conv_transpose_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    pixels,
    packed_c,
    H,
    W,
    C_OUT,
    out_h,
    out_w,
    phase_h,
    phase_w,
    KERNEL_H: tl.constexpr,
    KERNEL_W: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A tile of BLOCK_O output channels by BLOCK_P pixels of one phase: [phase_h, phase_w].

    x is [B, H * W, packed_c], w [C_OUT * KERNEL_H * KERNEL_W, packed_c]. Output row r takes input
    row (r + PADDING - i) / STRIDE for the taps i that divide. They are the same for all rows of a
    phase, so no product is with a zero between input pixels.
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    # Tiles of the same pixels follow each other: they read the same part of x.
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: offsets pass 2**31 elements in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = offs_p // (phase_h * phase_w)
    phase_row = (offs_p // phase_w % phase_h).to(tl.int32)
    phase_col = (offs_p % phase_w).to(tl.int32)
    first_row = tl.program_id(1) // STRIDE
    first_col = tl.program_id(1) % STRIDE
    row = phase_row * STRIDE + first_row
    col = phase_col * STRIDE + first_col
    # The last row or column of the phase grid may lie past the output.
    exists = (offs_p < pixels) & (row < out_h) & (col < out_w)
    first_i = (first_row + PADDING) % STRIDE
    first_j = (first_col + PADDING) % STRIDE
    taps_h = tl.cdiv(tl.maximum(KERNEL_H - first_i, 0), STRIDE)
    taps_w = tl.cdiv(tl.maximum(KERNEL_W - first_j, 0), STRIDE)
    offs_c = tl.arange(0, BLOCK_C)
    corner = (batch * H + phase_row) * W + phase_col
    x_ptrs = x_ptr + corner[None, :] * packed_c + offs_c[:, None]
    # Channels past the end wrap around to some that exist, and are never stored.
    w_rows = (offs_o % C_OUT).to(tl.int64) * KERNEL_H * KERNEL_W
    w_ptrs = w_ptr + w_rows[:, None] * packed_c + offs_c[None, :]
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    # One loop over taps and channels: a loop in a loop would drain the pipeline at every tap.
    per_tap = packed_c // BLOCK_C
    for step in range(taps_h * taps_w * per_tap):
        tap = step // per_tap
        channels = step % per_tap * BLOCK_C
        i = first_i + tap // taps_w * STRIDE
        j = first_j + tap % taps_w * STRIDE
        # Both divide without a rest, so the sign of the quotient does not matter.
        shift_h = (first_row + PADDING - i) // STRIDE
        shift_w = (first_col + PADDING - j) // STRIDE
        inside = exists & (phase_row + shift_h >= 0) & (phase_row + shift_h < H)
        inside = inside & (phase_col + shift_w >= 0) & (phase_col + shift_w < W)
        x_step = (shift_h * W + shift_w) * packed_c + channels
        x = tl.load(x_ptrs + x_step, mask=inside[None, :], other=0.0)
        w = tl.load(w_ptrs + ((i * KERNEL_W + j) * packed_c + channels))
        # Three TF32 products keep float32's accuracy; operands of 16 bits are not changed.
        acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    offs = ((batch[None, :] * C_OUT + offs_o[:, None]) * out_h + row[None, :]) * out_w
    mask = (offs_o[:, None] < C_OUT) & exists[None, :]
    y = acc + bias[:, None]
    tl.store(y_ptr + offs + col[None, :], y.to(y_ptr.dtype.element_ty), mask=mask)


def _channel_block(x):
    """Channels in one step of the product: 128 bytes, as a row of shared memory has."""
    return min(128 // x.element_size(), max(16, triton.next_power_of_2(x.shape[1])))


def _pack(source, block_c):
    """A channels-last copy [B, L, packed_c] of source [B, C, …], of whole blocks of channels."""
    B, C = source.shape[:2]
    L = source.numel() // (B * C)
    packed_c = triton.cdiv(C, block_c) * block_c
    packed = torch.empty((B, L, packed_c), dtype=source.dtype, device=source.device)
    blocks = triton.cdiv(L, PACK_BLOCK)
    _pack_kernel[(B * blocks * (packed_c // block_c),)](
        source,
        packed,
        C,
        L,
        packed_c,
        blocks,
        BLOCK_P=PACK_BLOCK,
        BLOCK_C=block_c,
        num_warps=4,
    )
    return packed


def _output_size(size, kernel):
    return (size - 1) * STRIDE - 2 * PADDING + kernel


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[0] or not x.shape[1]:
        raise ValueError(
            f"x must be [B, C, H, W] and weight [C, O, KH, KW], not {tuple(x.shape)}, "
            f"{tuple(weight.shape)}"
        )
    if x.shape[2] * x.shape[3] >= 2**31 or weight.numel() >= 2**31:
        raise ValueError("a plane of x, and weight, must have fewer than 2**31 elements")
    if bias.shape != weight.shape[1:2]:
        raise ValueError(f"bias must be [{weight.shape[1]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if min(map(_output_size, x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(f"no output is left of x {tuple(x.shape)}")


def conv_transpose2d(x, weight, bias):
    """The transposed convolution of x with weight, plus bias: stride 2, padding 1.

    x [B, C, H, W], weight [C, O, KH, KW] and bias [O] are of one floating dtype; the result is a
    contiguous [B, O, 2 H - 4 + KH, 2 W - 4 + KW], accumulated in float32. Raises ValueError for
    anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    (B, _, H, W), (_, out_c, kernel_h, kernel_w) = x.shape, weight.shape
    out_h, out_w = _output_size(H, kernel_h), _output_size(W, kernel_w)
    y = torch.empty((B, out_c, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_c = _channel_block(x)
    # The weight's channels in come first: as one batch, its copy is [O * taps, channels in].
    packed_x, packed_w = _pack(x, block_c), _pack(weight[None], block_c)
    config = pick_config(x, weight, bias)
    phase_h, phase_w = triton.cdiv(out_h, STRIDE), triton.cdiv(out_w, STRIDE)
    pixels = B * phase_h * phase_w
    tiles = triton.cdiv(out_c, config["BLOCK_O"]) * triton.cdiv(pixels, config["BLOCK_P"])
    _conv_transpose_kernel[(tiles, STRIDE * STRIDE)](
        packed_x,
        packed_w,
        bias,
        y,
        pixels,
        packed_x.shape[2],
        H,
        W,
        out_c,
        out_h,
        out_w,
        phase_h,
        phase_w,
        KERNEL_H=kernel_h,
        KERNEL_W=kernel_w,
        STRIDE=STRIDE,
        PADDING=PADDING,
        BLOCK_C=block_c,
        **config,
    )
    return y
