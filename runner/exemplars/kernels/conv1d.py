"""Convolution of signals as an implicit matrix product over channels-last copies."""

import torch
import triton
import triton.language as tl

STRIDE = 2
PADDING = 2
DILATION = 2

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
def _conv1d_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    positions,
    packed_c,
    L,
    C_OUT,
    out_l,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    PADDING: tl.constexpr,
    DILATION: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A tile of BLOCK_O output channels by BLOCK_P positions of all batches.

    x is [B, L, packed_c], w [C_OUT, KERNEL, packed_c]: for each tap of the filter,
    [channels out, channels in] times [channels in, positions].
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    # Tiles of the same positions follow each other: they read the same part of x.
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: B * out_l, and with it the offsets, passes 2**31 in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = offs_p // out_l
    position = (offs_p % out_l).to(tl.int32)
    first = position * STRIDE - PADDING
    exists = offs_p < positions
    offs_c = tl.arange(0, BLOCK_C)
    x_ptrs = x_ptr + (batch * L + first)[None, :] * packed_c + offs_c[:, None]
    # Channels past the end wrap around to some that exist, and are never stored.
    w_ptrs = w_ptr + (offs_o % C_OUT)[:, None] * KERNEL * packed_c + offs_c[None, :]
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    # One loop over taps and channels: a loop in a loop would drain the pipeline at every tap.
    per_tap = packed_c // BLOCK_C
    for step in range(KERNEL * per_tap):
        shift = step // per_tap * DILATION
        inside = exists & (first + shift >= 0) & (first + shift < L)
        channels = step % per_tap * BLOCK_C
        x = tl.load(x_ptrs + (shift * packed_c + channels), mask=inside[None, :], other=0.0)
        w = tl.load(w_ptrs + step * BLOCK_C)
        # Three TF32 products keep float32's accuracy; operands of 16 bits are not changed.
        acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    y_ptrs = y_ptr + (batch[None, :] * C_OUT + offs_o[:, None]) * out_l + position[None, :]
    mask = (offs_o[:, None] < C_OUT) & (offs_p[None, :] < positions)
    tl.store(y_ptrs, (acc + bias[:, None]).to(y_ptr.dtype.element_ty), mask=mask)


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
    return (size + 2 * PADDING - DILATION * (kernel - 1) - 1) // STRIDE + 1


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 3 or weight.dim() != 3 or x.shape[1] != weight.shape[1] or not x.shape[1]:
        raise ValueError(
            f"x must be [B, C, L] and weight [O, C, K], not {tuple(x.shape)}, {tuple(weight.shape)}"
        )
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{weight.shape[0]}], not {tuple(bias.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")
    if _output_size(x.shape[2], weight.shape[2]) < 1:
        raise ValueError(f"x is shorter than a window: {tuple(x.shape)}")


def conv1d(x, weight, bias):
    """x convolved with weight, plus bias: stride 2, padding 2, dilation 2.

    x [B, C, L], weight [O, C, K] and bias [O] are of one floating dtype; the result is a
    contiguous [B, O, out_l], accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(x, weight, bias)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    (B, _, L), (out_c, _, K) = x.shape, weight.shape
    out_l = _output_size(L, K)
    y = torch.empty((B, out_c, out_l), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_c = _channel_block(x)
    packed_x, packed_w = _pack(x, block_c), _pack(weight, block_c)
    config = pick_config(x, weight, bias)
    tiles = triton.cdiv(out_c, config["BLOCK_O"]) * triton.cdiv(B * out_l, config["BLOCK_P"])
    _conv1d_kernel[(tiles,)](
        packed_x,
        packed_w,
        bias,
        y,
        B * out_l,
        packed_x.shape[2],
        L,
        out_c,
        out_l,
        KERNEL=K,
        STRIDE=STRIDE,
        PADDING=PADDING,
        DILATION=DILATION,
        BLOCK_C=block_c,
        **config,
    )
    return y
