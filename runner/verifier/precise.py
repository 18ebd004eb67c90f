"""Calls a function in float64 throughout, whatever it casts to by itself.

Owns the oracle's precision: a reference that says `.float()` in the middle would otherwise round
there, and its error would be taken for truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from runner.verifier.eager_mode import EagerMode

# A generator's numbers depend on the dtype that is filled: a mask must be the float32 one's.
_RANDOM_FILLS = frozenset({"bernoulli_", "exponential_", "normal_", "uniform_"})
_RANDOM_MADE = frozenset({"rand", "rand_like", "randn", "randn_like"})
_RANDOM = _RANDOM_FILLS | _RANDOM_MADE | {"native_dropout"}
_NARROW = frozenset({torch.float16, torch.bfloat16, torch.float32})


class _InFloat64(EagerMode):
    """Widens every cast and every new tensor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in _RANDOM:
            return _draw(name, func, list(args), dict(kwargs or {}))
        wide = {key: _widen(value) for key, value in (kwargs or {}).items()}
        return func(*(_widen(value) for value in args), **wide)


def _draw(name: str, func: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The random numbers of the float32 run, in float64."""
    if name in _RANDOM_MADE:
        return func(*args, **{**kwargs, "dtype": torch.float32}).to(torch.float64)
    target = args[0]
    if target.dtype is not torch.float64:
        return func(*args, **kwargs)
    narrow = torch.ones_like(target, dtype=torch.float32)
    drawn = func(narrow, *args[1:], **kwargs)
    if name in _RANDOM_FILLS:
        return target.copy_(narrow)
    mask, rate = drawn[1], float(args[1])
    kept = mask.to(torch.float64) / (1.0 - rate) if rate < 1.0 else mask.to(torch.float64)
    return target * kept, mask


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
