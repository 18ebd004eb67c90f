"""Transposed convolution of images as implicit matrix products, one a phase of the stride."""

import torch
import triton
import triton.language as tl

STRIDE = 2
PADDING = 1

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
def _conv_transpose_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    pixels,
    C_IN,
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

    Output row r takes input row (r + PADDING - i) / STRIDE for the taps i that divide. They are
    the same for all rows of a phase, so no product is with a zero between input pixels.
    """
    tiles_o = tl.cdiv(C_OUT, BLOCK_O)
    offs_o = tl.program_id(0) % tiles_o * BLOCK_O + tl.arange(0, BLOCK_O)
    # int64: offsets pass 2**31 elements in large tensors.
    offs_p = (tl.program_id(0) // tiles_o).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = offs_p // (phase_h * phase_w)
    row = (offs_p // phase_w % phase_h).to(tl.int32) * STRIDE + tl.program_id(1) // STRIDE
    col = (offs_p % phase_w).to(tl.int32) * STRIDE + tl.program_id(1) % STRIDE
    # The last row or column of the phase grid may lie past the output.
    exists = (offs_p < pixels) & (row < out_h) & (col < out_w)
    first_i = (tl.program_id(1) // STRIDE + PADDING) % STRIDE
    first_j = (tl.program_id(1) % STRIDE + PADDING) % STRIDE
    offs_c = tl.arange(0, BLOCK_C)
    acc = tl.zeros([BLOCK_O, BLOCK_P], tl.float32)
    for i in range(first_i, KERNEL_H, STRIDE):
        # Below zero before the division: a negative quotient would round towards zero.
        reach_h = row + PADDING - i
        for j in range(first_j, KERNEL_W, STRIDE):
            reach_w = col + PADDING - j
            in_row = reach_h // STRIDE
            in_col = reach_w // STRIDE
            inside = exists & (reach_h >= 0) & (in_row < H) & (reach_w >= 0) & (in_col < W)
            x_ptrs = x_ptr + batch * C_IN * H * W + (in_row * W + in_col)
            for start in range(0, C_IN, BLOCK_C):
                c = start + offs_c
                w = tl.load(
                    w_ptr
                    + (c[None, :] * C_OUT + offs_o[:, None]) * KERNEL_H * KERNEL_W
                    + (i * KERNEL_W + j),
                    mask=(offs_o[:, None] < C_OUT) & (c[None, :] < C_IN),
                    other=0.0,
                )
                x = tl.load(
                    x_ptrs[None, :] + c[:, None].to(tl.int64) * H * W,
                    mask=inside[None, :] & (c[:, None] < C_IN),
                    other=0.0,
                )
                # Three TF32 products keep float32's accuracy; 16 bits are not changed.
                acc = tl.dot(w, x, acc, input_precision="tf32x3")
    bias = tl.load(b_ptr + offs_o, mask=offs_o < C_OUT, other=0.0).to(tl.float32)
    offs = ((batch[None, :] * C_OUT + offs_o[:, None]) * out_h + row[None, :]) * out_w
    mask = (offs_o[:, None] < C_OUT) & exists[None, :]
    y = acc + bias[:, None]
    tl.store(y_ptr + offs + col[None, :], y.to(y_ptr.dtype.element_ty), mask=mask)


def _output_size(size, kernel):
    return (size - 1) * STRIDE - 2 * PADDING + kernel


def _check_inputs(x, weight, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[0]:
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
    (B, C, H, W), (_, out_c, kernel_h, kernel_w) = x.shape, weight.shape
    out_h, out_w = _output_size(H, kernel_h), _output_size(W, kernel_w)
    y = torch.empty((B, out_c, out_h, out_w), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    config = pick_config(x, weight, bias)
    phase_h, phase_w = triton.cdiv(out_h, STRIDE), triton.cdiv(out_w, STRIDE)
    pixels = B * phase_h * phase_w
    tiles = triton.cdiv(out_c, config["BLOCK_O"]) * triton.cdiv(pixels, config["BLOCK_P"])
    _conv_transpose_kernel[(tiles, STRIDE * STRIDE)](
        x,
        weight,
        bias,
        y,
        pixels,
        C,
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
        **config,
    )
    return y
