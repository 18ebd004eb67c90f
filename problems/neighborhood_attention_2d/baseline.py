"""What a PyTorch user would run instead: FlexAttention with the neighbourhood's block mask."""

import functools
from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.nn.attention.flex_attention import flex_attention as flex


@functools.cache
def _block_mask(rows: int, columns: int, radius: int, device: torch.device) -> BlockMask:
    def near(q_idx: torch.Tensor, kv_idx: torch.Tensor, size: int) -> torch.Tensor:
        center = q_idx.clamp(radius, max(radius, size - 1 - radius))
        return (center - kv_idx).abs() <= radius

    def seen(
        b: torch.Tensor, h: torch.Tensor, q_idx: torch.Tensor, kv_idx: torch.Tensor
    ) -> torch.Tensor:
        in_rows = near(q_idx // columns, kv_idx // columns, rows)
        return in_rows & near(q_idx % columns, kv_idx % columns, columns)

    size = rows * columns
    return create_block_mask(seen, None, None, size, size, device=device)


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    # Compiled once, and static: a caller with other sizes gets a kernel made for those sizes.
    return torch.compile(flex, dynamic=False)


def prepare_flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, radius: torch.Tensor
) -> BlockMask:
    """The block mask: a model makes it once for each image size and radius, in no call."""
    rows, columns = q.shape[2:4]
    return _block_mask(rows, columns, int(radius), q.device)


def flex_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, radius: torch.Tensor, mask: BlockMask
) -> torch.Tensor:
    """The same function as the reference, given the mask for `radius`."""
    flat = (tensor.flatten(2, 3) for tensor in (q, k, v))
    return _compiled()(*flat, block_mask=mask).view_as(q)
