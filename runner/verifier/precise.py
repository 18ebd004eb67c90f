"""Calls a function in float64 throughout, whatever it casts to by itself.

Owns the oracle's precision: a reference that says `.float()` in the middle would otherwise round
there, and its error would be taken for truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from runner.verifier.eager_mode import EagerMode

_NARROW = frozenset({torch.float16, torch.bfloat16, torch.float32})


class _InFloat64(EagerMode):
    """Widens every cast and every new tensor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        wide = {key: _widen(value) for key, value in (kwargs or {}).items()}
        return func(*(_widen(value) for value in args), **wide)


def _widen(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value


def call_in_float64(entry: Callable[..., Any], inputs: list[torch.Tensor]) -> Any:
    """`entry(*inputs)` with every cast to, and creation of, a narrower float made float64."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _InFloat64():  # type: ignore[no-untyped-call]
            return entry(*inputs)
    finally:
        torch.set_default_dtype(usual)
