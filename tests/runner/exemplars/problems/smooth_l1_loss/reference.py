"""Smooth L1 loss: the correctness oracle."""

import torch
import torch.nn.functional as F


def smooth_l1_loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean of d² / 2 where d = |prediction - target| < 1, else of d - 1/2."""
    return F.smooth_l1_loss(prediction, target)
