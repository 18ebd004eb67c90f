"""Cross-entropy: the correctness oracle."""

import torch
import torch.nn.functional as F


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean over rows of logsumexp(logits[m]) - logits[m, target[m]]; logits is [M, V]."""
    return F.cross_entropy(logits, target)
