"""Maximum pooling: the correctness oracle."""

import torch
import torch.nn.functional as F


def max_pool2d(x: torch.Tensor) -> torch.Tensor:
    """The maximum of 3 x 3 windows of x [B, C, H, W], stride 2, padding 1."""
    return F.max_pool2d(x, 3, stride=2, padding=1)
