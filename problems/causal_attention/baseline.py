"""What a PyTorch user would run instead: its own fused attention, or FlexAttention, compiled."""

import functools
from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.attention.flex_attention import flex_attention as flex
from torch.nn.functional import scaled_dot_product_attention


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


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The fused kernel that PyTorch picks: cuDNN's or FlashAttention's."""
    return scaled_dot_product_attention(q, k, v, is_causal=True)


def flex_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The same function as the reference."""
    return _compiled()(q, k, v, block_mask=_block_mask(q.shape[2], q.device))
