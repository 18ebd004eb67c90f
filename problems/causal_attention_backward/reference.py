"""Gradients of causal attention, written out: the correctness oracle."""

import torch


def causal_attention_backward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, do: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dq, dk and dv of softmax(q kᵀ / sqrt(D), keys with kv_idx <= q_idx) v for its gradient do.

    All tensors are [B, H, S, D]. Scores and their gradient are float32 at least; as in
    FlashAttention, weights and gradients take the inputs' dtype for the next product. What a weight
    gains is its gradient less the mean of all: both less that of the row's largest weight, since
    where that is nearly all of the row, their difference would be lost to rounding.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    scale = q.shape[-1] ** -0.5
    positions = torch.arange(q.shape[-2], device=q.device)
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * scale
    scores = scores.masked_fill(positions[:, None] < positions[None, :], float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    del scores
    dv = weights.to(v.dtype).transpose(-2, -1) @ do
    ds = do.to(dtype) @ v.to(dtype).transpose(-2, -1)
    ds = ds - ds.gather(-1, weights.argmax(dim=-1, keepdim=True))
    ds = ds - (weights * ds).sum(dim=-1, keepdim=True)
    ds = (weights * ds * scale).to(q.dtype)
    return ds @ k, ds.transpose(-2, -1) @ q, dv
