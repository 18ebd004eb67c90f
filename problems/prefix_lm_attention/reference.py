"""Attention of a prefix language model: the correctness oracle."""

import torch


def prefix_lm_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, prefix: torch.Tensor
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D), keys with kv_idx < prefix or kv_idx <= q_idx) v.

    q, k, v and the result are [B, H, S, D], prefix is [B]: the length of each sequence's prefix. As
    in FlexAttention, scores are float32 at least, and the weights take v's dtype for the second
    product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    seen = (positions[:, None] >= positions) | (positions < prefix[:, None, None, None])
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~seen, float("-inf"))
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
