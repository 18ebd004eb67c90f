"""Mean over an axis: the correctness oracle."""

import torch


def mean_axis(x: torch.Tensor) -> torch.Tensor:
    """The mean over axis 1 of x [B, N, L]."""
    return x.mean(dim=1)
