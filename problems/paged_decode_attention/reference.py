"""One query against a cache of keys and values in pages: the correctness oracle."""

import torch


def paged_decode_attention(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    table: torch.Tensor,
    lengths: torch.Tensor,
) -> torch.Tensor:
    """softmax(q kᵀ / sqrt(D)) v over the first lengths[b] keys of a sequence.

    q and the result are [B, G, 8, D], eight query heads a key head. The caches are [P, 16, G, D],
    and table[b] names the pages of a sequence in order; a length past its last page stops there,
    and a length of zero gives zeros. As in FlexAttention, scores are float32 at least, and the
    weights take v's dtype for the second product.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    k = k_cache[table.long()].flatten(1, 2).transpose(1, 2)
    v = v_cache[table.long()].flatten(1, 2).transpose(1, 2)
    positions = torch.arange(k.shape[2], device=q.device)
    unseen = (positions >= lengths[:, None])[:, None, None, :]
    scores = q.to(dtype) @ k.to(dtype).transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(unseen, float("-inf"))
    o = torch.softmax(scores, dim=-1).to(v.dtype) @ v
    return o.masked_fill((lengths == 0)[:, None, None, None], 0.0)
