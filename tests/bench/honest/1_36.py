"""RMS normalisation over the channels: a tile of all channels at some places, read once."""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def _rms_norm_kernel(
    x_ptr, y_ptr, channels, places, eps, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr
):
    image = tl.program_id(1).to(tl.int64) * channels * places
    offs_c = tl.arange(0, BLOCK_C)[:, None]
    offs_p = (tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P))[None, :]
    mask = (offs_c < channels) & (offs_p < places)
    offs = image + offs_c * places + offs_p
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    root = tl.sqrt(tl.sum(x * x, 0) / channels + eps)
    tl.store(y_ptr + offs, x / root[None, :], mask=mask)


class ModelNew(nn.Module):
    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        y = torch.empty_like(x)
        images, channels = x.shape[:2]
        places = x[0, 0].numel()
        block = triton.next_power_of_2(channels)
        grid = (triton.cdiv(places, 128), images)
        _rms_norm_kernel[grid](
            x, y, channels, places, self.eps, BLOCK_C=block, BLOCK_P=128, num_warps=8
        )
        return y
