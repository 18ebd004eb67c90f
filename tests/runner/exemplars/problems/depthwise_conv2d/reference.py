"""Depthwise convolution: the correctness oracle."""

import torch
import torch.nn.functional as F


def depthwise_conv2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Each channel of x [B, C, H, W] with its own filter [1, 3, 3], stride 1, padding 1."""
    return F.conv2d(x, weight, bias, padding=1, groups=x.shape[1])
