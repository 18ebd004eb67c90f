"""Attention whose score falls by one with each further key: the correctness oracle."""

import torch


def relative_position_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D) + (q_idx - kv_idx)) v; q, k, v and the result are [B, H, S, D].

    As in FlexAttention, scores are float32 at least (positions reach 8191, where float16 counts in
    steps of four), and the weights take v's dtype for the second product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores + (positions[:, None] - positions[None, :])
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
