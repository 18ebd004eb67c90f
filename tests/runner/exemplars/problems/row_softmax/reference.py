"""Softmax of rows: the correctness oracle."""

import torch


def row_softmax(x: torch.Tensor) -> torch.Tensor:
    """softmax of each row of x [M, N]."""
    return torch.softmax(x, dim=-1)
