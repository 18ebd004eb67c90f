"""Layer normalisation: the correctness oracle."""

import torch
import torch.nn.functional as F


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """(x - mean) / sqrt(variance + 1e-5) * weight + bias for each row of x [M, N]."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)
