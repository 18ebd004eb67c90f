"""Transposed convolution of images: the correctness oracle."""

import torch
import torch.nn.functional as F


def conv_transpose2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [B, C, H, W] with weight [C, O, 4, 4], stride 2, padding 1."""
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
