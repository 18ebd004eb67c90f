"""Attention with softly capped scores: the correctness oracle."""

import torch

CAP = 20.0


def softcap_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(20 tanh(q kᵀ / sqrt(D) / 20)) v; q, k, v and the result are [B, H, S, D].

    As in FlexAttention, scores are float32 at least, and the weights take v's dtype for the second
    product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = CAP * torch.tanh(scores / CAP)
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
