"""Softmax attention over all keys: the correctness oracle."""

import torch


def full_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D)) v; q, k, v and the result are [B, H, S, D].

    As in FlexAttention, scores are float32 at least, and the weights take v's dtype for the second
    product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
