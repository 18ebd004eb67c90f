"""Causal attention to the last keys within a window: the correctness oracle."""

import torch


def sliding_window_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: torch.Tensor
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D), keys with 0 <= q_idx - kv_idx < window) v.

    q, k, v and the result are [B, H, S, D], window is [1]. As in FlexAttention, scores are float32
    at least, and the weights take v's dtype for the second product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    distance = positions[:, None] - positions[None, :]
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill((distance < 0) | (distance >= window), float("-inf"))
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
