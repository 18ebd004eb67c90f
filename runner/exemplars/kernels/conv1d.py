"""Convolution of signals as an implicit matrix product, straight from [B, C, L]."""

import torch
import triton
import triton.language as tl

STRIDE = 2
PADDING = 2
DILATION = 2

TUNABLES = {
    "BLOCK_O": [32, 64, 128],
    "BLOCK_P": [64, 128, 256],
    "BLOCK_C": [16, 32, 64],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {"BLOCK_O": 64, "BLOCK_P": 128, "BLOCK_C": 32, "num_warps": 4, "num_stages": 3}


def pick_config(x, weight, bias):
    return CONFIG


@triton.jit
def _conv1d_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    positions,
    C_IN,
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

    For each tap of the filter: [channels out, channels in] times [channels in, positions].
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    # Tiles of the same positions follow each other: they read the same part of x.
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: B * out_l, and with it the offsets, passes 2**31 in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = offs_p // out_l
    position = (offs_p % out_l).to(tl.int32)
    first = position * STRIDE - PADDING
    offs_c = tl.arange(0, BLOCK_C)
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    for tap in range(KERNEL):
        at = first + tap * DILATION
        inside = (offs_p < positions) & (at >= 0) & (at < L)
        x_ptrs = x_ptr + batch * C_IN * L + at
        for start in range(0, C_IN, BLOCK_C):
            c = start + offs_c
            w = tl.load(
                w_ptr + (offs_o[:, None] * C_IN + c[None, :]) * KERNEL + tap,
                mask=(offs_o[:, None] < C_OUT) & (c[None, :] < C_IN),
                other=0.0,
            )
            x = tl.load(
                x_ptrs[None, :] + c[:, None].to(tl.int64) * L,
                mask=inside[None, :] & (c[:, None] < C_IN),
                other=0.0,
            )
            # Three TF32 products keep float32's accuracy; operands of 16 bits are not changed.
            acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    y_ptrs = y_ptr + (batch[None, :] * C_OUT + offs_o[:, None]) * out_l + position[None, :]
    mask = (offs_o[:, None] < C_OUT) & (offs_p[None, :] < positions)
    tl.store(y_ptrs, (acc + bias[:, None]).to(y_ptr.dtype.element_ty), mask=mask)


def _output_size(size, kernel):
    return (size + 2 * PADDING - DILATION * (kernel - 1) - 1) // STRIDE + 1


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 3 or weight.dim() != 3 or x.shape[1] != weight.shape[1]:
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
    (B, C, L), (out_c, _, K) = x.shape, weight.shape
    out_l = _output_size(L, K)
    y = torch.empty((B, out_c, out_l), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x, weight, bias)
    tiles = triton.cdiv(out_c, config["BLOCK_O"]) * triton.cdiv(B * out_l, config["BLOCK_P"])
    _conv1d_kernel[(tiles,)](
        x,
        weight,
        bias,
        y,
        B * out_l,
        C,
        L,
        out_c,
        out_l,
        KERNEL=K,
        STRIDE=STRIDE,
        PADDING=PADDING,
        DILATION=DILATION,
        **config,
    )
    return y
