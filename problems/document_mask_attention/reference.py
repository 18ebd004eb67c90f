"""Attention within packed documents: the correctness oracle."""

import torch


def document_mask_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D), keys of the query's own document) v; q, k, v are [B, H, S, D].

    lengths is [B, N]: the documents of a sequence follow one another from its first row. What lies
    past S is cut off, and what lies past the last document is padding, which sees nothing and is
    zero in the result. As in FlexAttention, scores are float32 at least, and the weights take v's
    dtype for the second product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    positions = torch.arange(q.shape[-2], device=q.device)
    ends = lengths.cumsum(dim=-1)
    document = (positions[:, None] >= ends[:, None, :]).sum(dim=-1)
    padding = document == lengths.shape[-1]
    same = (document[:, :, None] == document[:, None, :])[:, None]
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~same, float("-inf"))
    o = torch.softmax(scores, dim=-1).to(v.dtype) @ v
    return o.masked_fill(padding[:, None, :, None], 0.0)
