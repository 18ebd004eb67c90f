"""Memory compared byte by byte, in bounded pieces: NaN equals itself, and nothing is converted.

Owns the checks that memory is what it was. Works on any device; the host waits once a check.
"""

from __future__ import annotations

import torch

_PIECE_BYTES = 64 << 20
_WORD_BYTES = 8


def same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors of one shape and dtype are the same bit by bit."""
    if one.shape != other.shape or one.dtype is not other.dtype:
        return False
    if one.numel() == 0:
        return True
    left, right = _words(one), _words(other)
    differs = torch.zeros((), dtype=torch.bool, device=one.device)
    step = _PIECE_BYTES // left.element_size()
    for a, b in zip(torch.split(left, step), torch.split(right, step), strict=True):
        differs |= (a != b).any()
    return not bool(differs)


def first_difference(memory: torch.Tensor, byte: int) -> int | None:
    """Where the first of `memory` (uint8, flat) is that is not `byte`; None when all are."""
    differs = torch.zeros((), dtype=torch.bool, device=memory.device)
    for piece in torch.split(memory, _PIECE_BYTES):
        differs |= (piece != byte).any()
    if not bool(differs):
        return None
    for number, piece in enumerate(torch.split(memory, _PIECE_BYTES)):
        odd = piece != byte
        if bool(odd.any()):
            return number * _PIECE_BYTES + int(odd.to(torch.uint8).argmax())
    return None


def _words(tensor: torch.Tensor) -> torch.Tensor:
    flat = tensor.contiguous().flatten().view(torch.uint8)
    # The start must be aligned as well as the length: a guarded allocation may begin anywhere.
    if flat.numel() % _WORD_BYTES or flat.storage_offset() % _WORD_BYTES:
        return flat
    return flat.view(torch.int64)
