"""Looks at a problem file (`Model`, `get_inputs`, `get_init_inputs`) without computing anything.

Owns what is found out on the meta device: shapes, how values come about, what the reference runs
and returns. Worker side: the file is foreign code, and what this reports is checked by whoever
asked.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch

from runner.recipe import MODEL_CLASS, Recipe
from runner.verifier.arena import dtype_name
from runner.verifier.eager_mode import EagerMode
from runner.verifier.modules.recorder import ConstantsOnCpu, Recorder, Unrecordable

_RANDOM = ("bernoulli", "dropout", "exponential", "multinomial", "normal", "rand", "uniform")
_NAME_CHARS = 60


def describe(code: ModuleType) -> dict[str, Any]:
    """The facts as JSON. Raises Unrecordable, or whatever the file raises."""
    get_inputs, get_init = _function(code, "get_inputs"), _function(code, "get_init_inputs")
    model = getattr(code, MODEL_CLASS, None)
    if not isinstance(model, type) or not issubclass(model, torch.nn.Module):
        raise Unrecordable(f"it defines no class {MODEL_CLASS}(torch.nn.Module)")
    init = list(get_init())
    _check_literal(init, "get_init_inputs")
    draws, given = _record(lambda: list(get_inputs()))
    builds, module = _record(lambda: model(*init))
    names = _argument_names(model, len(given))
    tensors = _Tensors(draws, names)
    call = [tensors.take(value, name) for value, name in zip(given, names, strict=True)]
    if not tensors.rows:
        raise Unrecordable("get_inputs returns no tensor")
    states = _states(module, builds, tensors)
    recipe = Recipe(
        draws=tuple(draws.steps),
        builds=tuple(builds.steps),
        results=tensors.results,
        free=tuple(tensors.free),
    )
    return {
        "init": repr(init),
        "call": repr(call),
        "recipe": recipe.to_json(),
        "tensors": tensors.rows + states,
        **_run(module, given),
    }


class _Tensors:
    """Names for the tensors of a problem, each once, and where the record has them."""

    def __init__(self, draws: Recorder, argument_names: Sequence[str]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}
        self.free: list[int] = []
        self._draws = draws
        self._reserved = set(argument_names)

    def take(self, value: Any, name: str) -> Any:
        """The literal that stands for an argument in the call; tensors become their names."""
        if isinstance(value, torch.Tensor):
            return self._input(value, name)
        if isinstance(value, list | tuple):
            rows = [self.take(item, f"{name}_{n}") for n, item in enumerate(value)]
            return rows if isinstance(value, list) else tuple(rows)
        if isinstance(value, str):
            raise Unrecordable("get_inputs returns text")
        _check_literal(value, "get_inputs")
        return value

    def add(self, recorder: Recorder, which: str, value: torch.Tensor, name: str) -> dict[str, Any]:
        """A row for `value`, under a name of its own."""
        if value.layout is not torch.strided or value.is_complex() or value.is_quantized:
            raise Unrecordable(f"{name} is not a plain tensor of real numbers")
        clean = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)[:_NAME_CHARS]
        clean = clean if clean[:1].isalpha() else f"t_{clean}"
        unique, count = clean, 1
        while unique in self.results:
            count += 1
            unique = f"{clean}_{count}"
        step, number = recorder.place(value)
        self.results[unique] = (which, step, number)
        return {"name": unique, "shape": list(value.shape), "dtype": dtype_name(value.dtype)}

    def _input(self, value: torch.Tensor, name: str) -> str:
        row = self.add(self._draws, "draws", value, name)
        if self._draws.is_untouched(value, "rand"):
            self.free.append(self._draws.place(value)[0])
        self.rows.append({**row, **self._bounds(value), "part": "input", "state": None})
        return str(row["name"])

    def _bounds(self, value: torch.Tensor) -> dict[str, int]:
        """[low, high) of whole numbers that are drawn and then left as they are."""
        if value.dtype is torch.bool or not self._draws.is_untouched(value, "randint"):
            return {}
        given = [part for part in self._draws.step_of(value)[1] if type(part) is int]
        low, high = given if len(given) == 2 else (0, *given)  # randint(high) or (low, high)
        return {"low": low, "high": high}


def _states(module: torch.nn.Module, builds: Recorder, tensors: _Tensors) -> list[dict[str, Any]]:
    named: list[tuple[str, str, torch.Tensor]] = [
        ("parameter", name, value) for name, value in module.named_parameters()
    ]
    named += [("buffer", name, value) for name, value in module.named_buffers()]
    rows: list[dict[str, Any]] = []
    for part, name, value in named:
        row = tensors.add(builds, "builds", value.detach(), f"{part[0]}_{name}")
        rows.append({**row, "part": part, "state": name})
    return rows


def _record(make: Callable[[], Any]) -> tuple[Recorder, Any]:
    recorder = Recorder()
    try:
        with torch.device("meta"), ConstantsOnCpu(), recorder:
            return recorder, make()
    except NotImplementedError as error:
        raise Unrecordable(f"a value decides about other values ({_first(error)})") from error


def _run(module: torch.nn.Module, given: Sequence[Any]) -> dict[str, Any]:
    """What the reference runs, and the form of what it returns."""
    counts: Counter[str] = Counter()
    try:
        with torch.device("meta"), torch.no_grad(), ConstantsOnCpu(), _Counting(counts):
            returned = module(*given)
    except NotImplementedError as error:
        raise Unrecordable(f"forward decides by values ({_first(error)})") from error
    outputs = [_output(value) for value in _flatten(returned)]
    drawn = any(name.startswith(_RANDOM) or "dropout" in name for name in counts)
    return {"outputs": outputs, "operations": dict(counts), "random": drawn}


class _Counting(EagerMode):
    """Counts operators by name."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counts = counts

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self._counts[func._schema.name.removeprefix("aten::")] += 1
        return func(*args, **(kwargs or {}))


def _flatten(returned: Any) -> list[Any]:
    if isinstance(returned, tuple | list):
        return [value for item in returned for value in _flatten(item)]
    return [returned]


def _output(value: Any) -> dict[str, Any]:
    if not isinstance(value, torch.Tensor):
        raise Unrecordable(f"forward returns a {type(value).__name__} beside tensors")
    return {"shape": list(value.shape), "dtype": dtype_name(value.dtype)}


def _function(code: ModuleType, name: str) -> Callable[[], Any]:
    found = getattr(code, name, None)
    if not callable(found):
        raise Unrecordable(f"it defines no function {name}()")
    function: Callable[[], Any] = found
    return function


def _argument_names(model: Any, count: int) -> list[str]:
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*plain, *(f"x_{n}" for n in range(len(plain), count))][:count]


def _check_literal(value: Any, where: str) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _check_literal(item, where)
    elif isinstance(value, dict):
        _check_literal([*value.keys(), *value.values()], where)
    elif not isinstance(value, bool | int | float | str) and value is not None:
        raise Unrecordable(f"{where} returns a {type(value).__name__}")


def _first(error: BaseException) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
