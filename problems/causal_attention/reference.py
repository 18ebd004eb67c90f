"""Attention to the keys up to the query's own position: the correctness oracle."""

import torch


def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D), keys with kv_idx <= q_idx) v; all tensors are [B, H, S, D].

    As in FlexAttention, scores are float32 at least, and the weights take v's dtype for the second
    product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(positions[:, None] < positions[None, :], float("-inf"))
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
