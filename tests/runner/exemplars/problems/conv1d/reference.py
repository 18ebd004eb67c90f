"""Convolution of signals: the correctness oracle."""

import torch
import torch.nn.functional as F


def conv1d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [B, C, L] with weight [O, C, 3], stride 2, padding 2, dilation 2."""
    return F.conv1d(x, weight, bias, stride=2, padding=2, dilation=2)
