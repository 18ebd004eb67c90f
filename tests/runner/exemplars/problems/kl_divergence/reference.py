"""Kullback-Leibler divergence: the correctness oracle."""

import torch
import torch.nn.functional as F


def kl_divergence(logits: torch.Tensor, target_logits: torch.Tensor) -> torch.Tensor:
    """The mean over rows of KL(softmax(target_logits) || softmax(logits)), both [M, N]."""
    return F.kl_div(
        F.log_softmax(logits, dim=-1),
        F.log_softmax(target_logits, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
