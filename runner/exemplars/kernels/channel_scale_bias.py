"""A chain of elementwise steps with a number for each channel: no division for each element."""

import torch
import triton
import triton.language as tl

TUNABLES = {"BLOCK": [1024, 2048, 4096], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 2048, "num_warps": 4}


def pick_config(x, scale, bias):
    return CONFIG


@triton.jit
def _function(x, scale, bias):
    """The chain, in float32: scale and bias of the channel, then hardswish."""
    x = x * scale + bias
    return x * tl.minimum(tl.maximum(x + 3.0, 0.0), 6.0) / 6.0


@triton.jit
def _channel_kernel(
    x_ptr, scale_ptr, bias_ptr, y_ptr, planes, C, L, blocks, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """ROWS planes (batch and channel) by BLOCK of their L contiguous elements."""
    # int64: the offset of a plane passes 2**31 elements in large tensors.
    rows = (tl.program_id(0) // blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    exists = rows < planes
    # The channel is found once a plane, and its numbers are loaded once.
    channel = rows % C
    scale = tl.load(scale_ptr + channel, mask=exists, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + channel, mask=exists, other=0.0).to(tl.float32)
    offs = rows[:, None] * L + cols[None, :]
    mask = exists[:, None] & (cols[None, :] < L)
    x = tl.load(x_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    y = _function(x, scale[:, None], bias[:, None])
    tl.store(y_ptr + offs, y.to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, scale, bias):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() < 2:
        raise ValueError(f"x must be [B, C, …], not {tuple(x.shape)}")
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    for name, tensor in (("scale", scale), ("bias", bias)):
        if tensor.shape != x.shape[1:2]:
            raise ValueError(f"{name} must be [{x.shape[1]}], not {tuple(tensor.shape)}")
        if tensor.dtype != x.dtype or tensor.device != x.device:
            raise ValueError(f"{name} must have the dtype and the device of x")


def scale_bias_hardswish(x, scale, bias):
    """hardswish(x * scale + bias), with one scale and bias a channel; computed in float32.

    x [B, C, …], scale [C] and bias [C] are of one floating dtype; the result is contiguous and of
    x's shape. Raises ValueError for anything else.
    """
    _check_inputs(x, scale, bias)
    x, scale, bias = x.contiguous(), scale.contiguous(), bias.contiguous()
    y = torch.empty_like(x)
    if y.numel() == 0:
        return y
    B, C = x.shape[:2]
    L = x.numel() // (B * C)
    config = pick_config(x, scale, bias)
    # Short planes share a program.
    block = min(triton.next_power_of_2(L), config["BLOCK"])
    rows = config["BLOCK"] // block
    blocks = triton.cdiv(L, block)
    _channel_kernel[(triton.cdiv(B * C, rows) * blocks,)](
        x,
        scale,
        bias,
        y,
        B * C,
        C,
        L,
        blocks,
        ROWS=rows,
        BLOCK=block,
        num_warps=config["num_warps"],
    )
    return y
