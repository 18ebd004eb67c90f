"""Follows a recipe with numbers of the judge's own, on the judge's own device.

Owns the list of operators that a recipe may name: each makes, fills, views or computes, and none
reads or writes anything else. The problem's code is not run here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from runner.errors import ReferenceFailed
from runner.verifier.arena import torch_dtype

_FACTORIES = frozenset(
    [
        "arange",
        "empty",
        "empty_like",
        "empty_permuted",
        "empty_strided",
        "eye",
        "full",
        "full_like",
        "linspace",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "ones_like",
        "rand",
        "rand_like",
        "randint",
        "randint_like",
        "randn",
        "randn_like",
        "randperm",
        "scalar_tensor",
        "zeros",
        "zeros_like",
    ]
)
_RANDOM_FACTORIES = frozenset({"rand", "randint", "randn", "randperm"})
_RANDOM_FILLS = frozenset({"bernoulli_", "exponential_", "normal", "normal_"}) | {
    "random_",
    "uniform_",
}
_COMPUTE = frozenset(
    [
        "_log_softmax",
        "_reshape_alias",
        "_softmax",
        "_to_copy",
        "_unsafe_view",
        "abs",
        "acos",
        "add",
        "add_",
        "alias",
        "all",
        "amax",
        "amin",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "as_strided",
        "asin",
        "atan",
        "bernoulli",
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "bmm",
        "cat",
        "ceil",
        "clamp",
        "clamp_",
        "clamp_max",
        "clamp_min",
        "clone",
        "contiguous",
        "copy",
        "copy_",
        "cos",
        "cosh",
        "cumsum",
        "detach",
        "detach_",
        "diag",
        "diag_embed",
        "diagonal",
        "div",
        "div_",
        "eq",
        "erf",
        "erfinv",
        "erfinv_",
        "exp",
        "exp_",
        "expand",
        "expm1",
        "fill_",
        "flip",
        "floor",
        "floor_divide",
        "fmod",
        "ge",
        "gt",
        "lerp",
        "le",
        "lift_fresh",
        "lift_fresh_copy",
        "linalg_qr",
        "linalg_vector_norm",
        "log",
        "log1p",
        "log_",
        "logical_and",
        "logical_not",
        "logical_or",
        "lt",
        "masked_fill",
        "masked_fill_",
        "matmul",
        "max",
        "maximum",
        "mean",
        "min",
        "minimum",
        "mm",
        "movedim",
        "mul",
        "mul_",
        "narrow",
        "ne",
        "neg",
        "neg_",
        "norm",
        "permute",
        "pow",
        "pow_",
        "prod",
        "reciprocal",
        "relu",
        "remainder",
        "repeat",
        "reshape",
        "resize_",
        "roll",
        "round",
        "rsqrt",
        "rsub",
        "select",
        "sgn",
        "sigmoid",
        "sign",
        "sin",
        "sinh",
        "slice",
        "softmax",
        "sort",
        "split",
        "split_with_sizes",
        "sqrt",
        "sqrt_",
        "squeeze",
        "stack",
        "std",
        "sub",
        "sub_",
        "sum",
        "t",
        "tan",
        "tanh",
        "transpose",
        "tril",
        "tril_",
        "triu",
        "triu_",
        "trunc",
        "unbind",
        "unfold",
        "unsqueeze",
        "var",
        "view",
        "where",
        "zero_",
    ]
)
_SPARE_ELEMENTS = 1 << 20  # a recipe may make this much more than it needs


class Replay:
    """One pass over the steps of a recipe. `generator` draws every number, on its device.

    `elements`: of all tensors that the problem declares; no single step may make far more.
    """

    def __init__(
        self, generator: torch.Generator, elements: int, wider: Sequence[int] = ()
    ) -> None:
        self._most = 4 * elements + _SPARE_ELEMENTS
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
            values, shape, dtype = args
            numbers = [float(v) if isinstance(v, str) else v for v in values]
            made = torch.tensor(numbers, dtype=torch_dtype(dtype), device=self._device)
            return made.reshape(shape)
        given = [self._decode(value) for value in args]
        named = {key: self._decode(value) for key, value in kwargs.items()}
        makes = name in _FACTORIES or (name == "normal" and overload == "float_float")
        if makes:
            named["device"] = self._device
            self._refuse_huge(given)
        if name.endswith("_like") and name.startswith("rand"):
            return self._random_like(name, given, named)
        if name in _RANDOM_FACTORIES:
            if number in self._wider and name == "rand":
                name = "randn"
            size = given[0] if name in ("rand", "randn") else given
            factory = getattr(torch, name)
            if name in ("rand", "randn"):
                return factory(size, generator=self._generator, **named)
            return factory(*size, generator=self._generator, **named)
        if name in _RANDOM_FILLS or name == "bernoulli":
            named["generator"] = self._generator
        if name not in _FACTORIES and name not in _RANDOM_FILLS and name not in _COMPUTE:
            raise ValueError("this operator is not known")
        packet = getattr(torch.ops.aten, name)
        return getattr(packet, overload)(*given, **named)

    def _refuse_huge(self, given: Sequence[Any]) -> None:
        """The judge's memory is not the recipe's to spend."""
        for value in given:
            if isinstance(value, list) and all(type(size) is int for size in value):
                if math.prod(value) > self._most:
                    raise ValueError(f"it makes {math.prod(value)} elements that nobody declared")

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
