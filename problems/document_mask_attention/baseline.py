"""What a PyTorch user would run instead: FlexAttention with the documents' block mask, compiled."""

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
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lengths: torch.Tensor
) -> BlockMask:
    """The block mask of a batch: all layers of a model share it, so it is no part of a call."""
    batch, documents = lengths.shape
    size = q.shape[2]
    positions = torch.arange(size, device=q.device)
    ends = lengths.cumsum(dim=-1)
    document = (positions[:, None] >= ends[:, None, :]).sum(dim=-1)

    def same(
        b: torch.Tensor, h: torch.Tensor, q_idx: torch.Tensor, kv_idx: torch.Tensor
    ) -> torch.Tensor:
        alike = document[b, q_idx] == document[b, kv_idx]
        return alike & (document[b, q_idx] < documents)

    return create_block_mask(same, batch, None, size, size, device=q.device)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lengths: torch.Tensor, mask: BlockMask
) -> torch.Tensor:
    """The same function as the reference, given the mask for `lengths`."""
    return _compiled()(q, k, v, block_mask=mask)
