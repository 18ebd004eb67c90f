"""Group normalisation: the correctness oracle."""

import torch
import torch.nn.functional as F


def group_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x [B, C, H, W] normalised over each of 8 groups of channels, times weight plus bias."""
    return F.group_norm(x, 8, weight, bias, 1e-5)
