"""What a PyTorch user would run instead: FlexAttention with the window's block mask, compiled."""

import functools
from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.attention.flex_attention import flex_attention as flex


@functools.cache
def _block_mask(size: int, window: int, device: torch.device) -> BlockMask:
    def in_window(
        b: torch.Tensor, h: torch.Tensor, q_idx: torch.Tensor, kv_idx: torch.Tensor
    ) -> torch.Tensor:
        return (q_idx >= kv_idx) & (q_idx - kv_idx < window)

    return create_block_mask(in_window, None, None, size, size, device=device)


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    # Compiled once, and static: a caller with other sizes gets a kernel made for those sizes.
    return torch.compile(flex, dynamic=False)


def prepare_flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: torch.Tensor
) -> BlockMask:
    """The block mask: a model makes it once for each length and window, in no call."""
    return _block_mask(q.shape[2], int(window), q.device)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: torch.Tensor, mask: BlockMask
) -> torch.Tensor:
    """The same function as the reference, given the mask for `window`."""
    return _compiled()(q, k, v, block_mask=mask)
