"""Attention of each pixel to the square of pixels around it: the correctness oracle."""

import torch


def neighborhood_attention_2d(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, radius: torch.Tensor
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D), keys within radius of the query's center in rows and columns) v.

    q, k, v and the result are [B, H, R, C, D], radius is [1]. A query's center is its own pixel,
    moved inside where its window of 2 radius + 1 pixels a side would leave the image (Hassani
    et al., Neighborhood Attention Transformer, 2023). Images narrower than that are seen whole.
    As in FlexAttention, scores are float32 at least, and the weights take v's dtype for the second
    product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    rows, columns, size = q.shape[2:]
    seen = (
        _near(rows, radius)[:, None, :, None] & _near(columns, radius)[None, :, None, :]
    ).reshape(rows * columns, rows * columns)
    q, k, v = (tensor.flatten(2, 3) for tensor in (q, k, v))
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * size**-0.5
    scores = scores.masked_fill(~seen, float("-inf"))
    o = torch.softmax(scores, dim=-1).to(v.dtype) @ v
    return o.unflatten(2, (rows, columns))


def _near(size: int, radius: torch.Tensor) -> torch.Tensor:
    """[size, size]: whether a query's window in one direction holds a key."""
    positions = torch.arange(size, device=radius.device)
    last = torch.clamp(size - 1 - radius, min=radius)
    center = torch.minimum(torch.maximum(positions, radius), last)
    return (center[:, None] - positions[None, :]).abs() <= radius
