"""Cuts an output into tiles, and tiles into 64 x 64 blocks, so that no temporary is large.

Owns the geometry of blocks: a tensor is a matrix of its last axis, and blocks are cut from its
upper left corner. Knows nothing of errors or budgets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

BLOCK = 64
# Measured on 1.6e9 elements on an H200: 223 ms with tiles of 1M elements, for the launches; 123 ms
# with 4M, 109 ms with 8M. On a CPU temporaries should stay in a core's cache: five times quicker.
TILE_ELEMENTS = {"cuda": 8 << 20, "cpu": 1 << 17}
# Of what `Tile.cut` gives: the axes inside a block.
BLOCK_AXES = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle of whole blocks, all of `height` x `width` elements."""

    rows: slice
    columns: slice
    block_rows: slice
    block_columns: slice
    height: int
    width: int

    def cut(self, tensor: torch.Tensor) -> torch.Tensor:
        """A view of the tile as (block rows, height, block columns, width)."""
        part = as_matrix(tensor)[self.rows, self.columns]
        down, across = part.shape[0] // self.height, part.shape[1] // self.width
        return part.view(down, self.height, across, self.width)

    def of(self, grid: torch.Tensor) -> torch.Tensor:
        """The tile's part of a tensor with one number a block, as (block rows, block columns)."""
        return grid[self.block_rows, self.block_columns]

    def spread(self, grid: torch.Tensor) -> torch.Tensor:
        """The same, shaped so that it broadcasts over `cut`."""
        return self.of(grid)[:, None, :, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of one axis that is cut into blocks of one size."""

    start: int
    size: int
    block: int
    first_block: int


class Tiling:
    """How a non-empty tensor like this one is cut. The last blocks of an axis may be smaller."""

    def __init__(self, like: torch.Tensor) -> None:
        shape, self._device = like.shape, like.device
        self._limit = TILE_ELEMENTS[like.device.type]
        self.columns = shape[-1] if shape else 1
        self.rows = math.prod(shape) // self.columns
        self._down, self._across = _spans(self.rows), _spans(self.columns)
        self.grid = (-(-self.rows // BLOCK), -(-self.columns // BLOCK))

    def __iter__(self) -> Iterator[Tile]:
        for down in self._down:
            for across in self._across:
                yield from _tiles(down, across, self._limit)

    def block(self, down: int, across: int) -> Tile:
        """One block as a tile."""
        height = min(BLOCK, self.rows - down * BLOCK)
        width = min(BLOCK, self.columns - across * BLOCK)
        return Tile(
            rows=slice(down * BLOCK, down * BLOCK + height),
            columns=slice(across * BLOCK, across * BLOCK + width),
            block_rows=slice(down, down + 1),
            block_columns=slice(across, across + 1),
            height=height,
            width=width,
        )

    def new_grid(self) -> torch.Tensor:
        """Room for one float64 number a block."""
        return torch.zeros(self.grid, dtype=torch.float64, device=self._device)

    def counts(self) -> torch.Tensor:
        """How many elements each block has."""
        sizes = [
            torch.cat(
                [
                    torch.full((span.size // span.block,), float(span.block), dtype=torch.float64)
                    for span in spans
                ]
            )
            for spans in (self._down, self._across)
        ]
        return torch.outer(*sizes).to(self._device)


def as_matrix(tensor: torch.Tensor) -> torch.Tensor:
    """(all leading axes together, the last axis); a scalar is 1 x 1."""
    return tensor.reshape(-1, tensor.shape[-1] if tensor.dim() else 1)


def block_norm(part: torch.Tensor, out: torch.Tensor) -> None:
    """Root of the sum of squares of each block of what `Tile.cut` gives, into `out`."""
    torch.linalg.vector_norm(part, dim=BLOCK_AXES, out=out)


def touched(tiling: Tiling, blocks: torch.Tensor) -> list[Tile]:
    """The tiles that hold one of `blocks` (bool, one a block). Waits for the device once."""
    if not bool(blocks.any()):
        return []
    known = blocks.cpu()
    return [tile for tile in tiling if bool(tile.of(known).any())]


def _spans(size: int) -> list[_Span]:
    whole = size // BLOCK * BLOCK
    spans = [_Span(start=0, size=whole, block=BLOCK, first_block=0)] if whole else []
    if size > whole:
        rest = size - whole
        spans.append(_Span(start=whole, size=rest, block=rest, first_block=whole // BLOCK))
    return spans


def _tiles(down: _Span, across: _Span, limit: int) -> Iterator[Tile]:
    width = max(1, limit // down.block // across.block) * across.block
    width = min(width, across.size)
    height = max(1, limit // width // down.block) * down.block
    for top in range(0, down.size, height):
        for left in range(0, across.size, width):
            rows, block_rows = _slices(down, top, height)
            columns, block_columns = _slices(across, left, width)
            yield Tile(
                rows=rows,
                columns=columns,
                block_rows=block_rows,
                block_columns=block_columns,
                height=down.block,
                width=across.block,
            )


def _slices(span: _Span, start: int, step: int) -> tuple[slice, slice]:
    end = min(start + step, span.size)
    elements = slice(span.start + start, span.start + end)
    blocks = slice(span.first_block + start // span.block, span.first_block + end // span.block)
    return elements, blocks
