"""Convolution of images: the correctness oracle."""

import torch
import torch.nn.functional as F


def conv2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [B, C, H, W] with weight [O, C, 3, 3], stride 1, padding 1."""
    return F.conv2d(x, weight, bias, padding=1)
