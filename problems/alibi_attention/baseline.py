"""What a PyTorch user would run instead: FlexAttention with a causal block mask, compiled."""

import functools
from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.attention.flex_attention import flex_attention as flex


def _causal(
    b: torch.Tensor, h: torch.Tensor, q_idx: torch.Tensor, kv_idx: torch.Tensor
) -> torch.Tensor:
    return q_idx >= kv_idx


@functools.cache
def _block_mask(size: int, device: torch.device) -> BlockMask:
    # Made once for each length, as a model would: it is no part of a call.
    return create_block_mask(_causal, None, None, size, size, device=device)


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    # Compiled once, and static: a caller with other sizes gets a kernel made for those sizes.
    return torch.compile(flex, dynamic=False)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, slopes: torch.Tensor
) -> torch.Tensor:
    """The same function as the reference."""

    def alibi(
        score: torch.Tensor,
        b: torch.Tensor,
        h: torch.Tensor,
        q_idx: torch.Tensor,
        kv_idx: torch.Tensor,
    ) -> torch.Tensor:
        return score - slopes[h] * (q_idx - kv_idx)

    mask = _block_mask(q.shape[2], q.device)
    return _compiled()(q, k, v, score_mod=alibi, block_mask=mask)
