"""Follows a recipe with numbers of the judge's own, on the judge's own device.

Owns the order of steps and what they may take. The problem's code is not run here, and of PyTorch
only what `recipe_names` lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from runner.errors import ReferenceFailed
from runner.verifier.arena import torch_dtype
from runner.verifier.modules.recipe_names import (
    COMPUTE,
    FACTORIES,
    RANDOM_FACTORIES,
    RANDOM_FILLS,
)

_UNFILLED = frozenset({"empty", "empty_like", "empty_strided", "new_empty"})
_STEPS_AN_ELEMENT = 32
_SPARE_ELEMENTS = 1 << 20  # a recipe may make this much more than it needs


class Replay:
    """One pass over the steps of a recipe. `generator` draws every number, on its device.

    `elements`: of all tensors that the problem declares; no step may make far more, and all of
    them together not much more: neither the judge's memory nor its time is the recipe's to spend.
    """

    def __init__(
        self, generator: torch.Generator, elements: int, wider: Sequence[int] = ()
    ) -> None:
        self._most = 4 * elements + _SPARE_ELEMENTS
        self._left = _STEPS_AN_ELEMENT * self._most
        self._generator = generator
        self._device = generator.device
        # These steps draw from the normal distribution instead of [0, 1).
        self._wider = frozenset(wider)
        self._results: list[tuple[Any, ...]] = []

    def follow(self, steps: Sequence[Any]) -> None:
        """Take every step. Raises ReferenceFailed for one that is not allowed, or that fails."""
        for number, (name, args, kwargs) in enumerate(steps):
            operator, _, overload = str(name).partition(".")
            try:
                result = self._step(number, operator, overload, args, kwargs)
            except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
                if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                    raise  # the machine's fault, which others know how to tell
                said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                raise ReferenceFailed(
                    f"the values of get_inputs or Model cannot be made again: {operator}: {said}"
                ) from error
            self._results.append(tuple(result) if isinstance(result, tuple | list) else (result,))

    def result(self, step: int, number: int) -> torch.Tensor:
        """A tensor that was made, contiguous."""
        found: torch.Tensor = self._results[step][number]
        return found.detach().contiguous()

    def _step(self, number: int, name: str, overload: str, args: Any, kwargs: Any) -> Any:
        if name == "constant":
            return self._constant(*args)
        given = [self._decode(value) for value in args]
        named = {key: self._decode(value) for key, value in kwargs.items()}
        if name.startswith("rand") and name.endswith("_like"):
            return self._random_like(name, given, named)
        if name in RANDOM_FACTORIES:
            self._spend(math.prod(given[-1] if isinstance(given[-1], list) else given[:1]))
            if number in self._wider and name == "rand":
                name = "randn"
            sizes = given if name in ("randint", "randperm") else given[:1]
            factory = getattr(torch, name)
            return factory(*sizes, generator=self._generator, device=self._device, **named)
        if name in FACTORIES or (name == "normal" and overload == "float_float"):
            named["device"] = self._device
        if name in RANDOM_FILLS:
            named["generator"] = self._generator
        elif name not in FACTORIES and name not in COMPUTE:
            raise ValueError("this operator is not known")
        function = getattr(getattr(torch.ops.aten, name), overload)
        if name not in RANDOM_FILLS or name == "normal":
            self._foresee(function, given, named)
        made = function(*given, **named)
        # Memory that nobody filled may hold anything; zeros are the same for everybody.
        return made.zero_() if name in _UNFILLED else made

    def _constant(self, values: Any, shape: Any, dtype: str) -> torch.Tensor:
        numbers = [float(value) if isinstance(value, str) else value for value in values]
        made = torch.tensor(numbers, dtype=torch_dtype(dtype), device=self._device)
        return made.reshape(shape)

    def _foresee(self, function: Any, given: list[Any], named: dict[str, Any]) -> None:
        """The step on the meta device first, where it takes no memory."""
        places = {"device": "meta"} if "device" in named else {}
        rest = {key: _as_meta(value) for key, value in named.items() if key != "generator"}
        made = function(*map(_as_meta, given), **{**rest, **places})
        for value in made if isinstance(made, tuple | list) else (made,):
            self._spend(value.numel() if isinstance(value, torch.Tensor) else 0)

    def _spend(self, elements: int) -> None:
        self._left -= elements
        if elements > self._most or self._left < 0:
            raise ValueError(f"it makes {elements} elements that nobody declared")

    def _random_like(self, name: str, given: list[Any], named: dict[str, Any]) -> torch.Tensor:
        like, *bounds = given
        dtype = named.get("dtype") or like.dtype
        made = torch.empty_like(like, dtype=dtype)
        if name == "rand_like":
            return made.uniform_(0, 1, generator=self._generator)
        if name == "randn_like":
            return made.normal_(generator=self._generator)
        low, high = bounds if len(bounds) > 1 else (0, bounds[0])
        return made.random_(low, high, generator=self._generator)

    def _decode(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "of" in value:
                step, number = value["of"]
                return self._results[step][number]
            if "dtype" in value:
                return torch_dtype(value["dtype"])
            return float(value["float"])
        if isinstance(value, list):
            return [self._decode(item) for item in value]
        return value


def _as_meta(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return [_as_meta(item) for item in value] if isinstance(value, list) else value
