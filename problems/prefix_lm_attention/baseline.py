"""What a PyTorch user would run instead: FlexAttention with the prefixes' block mask, compiled."""

import functools
from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.attention.flex_attention import flex_attention as flex


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    # Compiled once, and static: a caller with other sizes gets a kernel made for those sizes.
    return torch.compile(flex, dynamic=False)


def prepare_flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, prefix: torch.Tensor
) -> BlockMask:
    """The block mask of a batch: all layers of a model share it, so it is no part of a call."""
    prefix = prefix.clone()  # held by the mask, whatever the caller does with its own

    def seen(
        b: torch.Tensor, h: torch.Tensor, q_idx: torch.Tensor, kv_idx: torch.Tensor
    ) -> torch.Tensor:
        return (q_idx >= kv_idx) | (kv_idx < prefix[b])

    batch, size = q.shape[0], q.shape[2]
    return create_block_mask(seen, batch, None, size, size, device=q.device)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, prefix: torch.Tensor, mask: BlockMask
) -> torch.Tensor:
    """The same function as the reference, given the mask for `prefix`."""
    return _compiled()(q, k, v, block_mask=mask)
