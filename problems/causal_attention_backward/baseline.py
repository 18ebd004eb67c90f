"""What a PyTorch user would run instead: autograd through fused or compiled attention."""

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


def _gradients(
    attend: Callable[..., torch.Tensor], inputs: tuple[torch.Tensor, ...], do: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        o = attend(*leaves)
        return torch.autograd.grad(o, leaves, do)


def sdpa(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, do: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Forward and backward of the fused kernels that PyTorch picks."""
    attend = functools.partial(scaled_dot_product_attention, is_causal=True)
    return _gradients(attend, (q, k, v), do)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, do: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Forward and backward of FlexAttention."""
    mask = _block_mask(q.shape[2], q.device)
    return _gradients(functools.partial(_compiled(), block_mask=mask), (q, k, v), do)
