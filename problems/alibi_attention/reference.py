"""Causal attention with a linear bias on the distance (ALiBi): the correctness oracle."""

import torch


def alibi_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, slopes: torch.Tensor
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D) - slope * (q_idx - kv_idx), keys with kv_idx <= q_idx) v.

    q, k, v and the result are [B, H, S, D], slopes is [H] (Press et al., Train Short, Test Long,
    2022). As in FlexAttention, scores are float32 at least, and the weights take v's dtype for the
    second product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    distance = positions[:, None] - positions[None, :]
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores - slopes[:, None, None] * distance
    scores = scores.masked_fill(distance < 0, float("-inf"))
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v
