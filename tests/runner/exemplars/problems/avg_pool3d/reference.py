"""Average pooling: the correctness oracle."""

import torch
import torch.nn.functional as F


def avg_pool3d(x: torch.Tensor) -> torch.Tensor:
    """The mean of 3 x 3 x 3 windows of x [B, C, D, H, W], stride 2; its padding of 1 counts."""
    return F.avg_pool3d(x, 3, stride=2, padding=1)
