"""Convolution of volumes: the correctness oracle."""

import torch
import torch.nn.functional as F


def conv3d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [B, C, D, H, W] with weight [O, C, 3, 3, 3], stride 1, padding 1."""
    return F.conv3d(x, weight, bias, padding=1)
