"""Records how a problem's own code makes its tensors, without making them: on the meta device.

Owns the record; worker side, for foreign code. What cannot be said in steps is Unrecordable, with
the reason. `replay` follows the steps on the judge's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from runner.verifier.arena import dtype_name
from runner.verifier.eager_mode import EagerMode

MAX_CONSTANT_ELEMENTS = 4096
# Where a tensor lies is the follower's choice.
_PLACES = frozenset({"device", "layout", "pin_memory", "non_blocking", "memory_format"})
_SAME = frozenset({"alias", "detach", "lift_fresh"})
Key = tuple[Any, ...]


class Unrecordable(Exception):
    """The code makes a value in a way that has no steps. The message is one clause."""


class Recorder(EagerMode):
    """While active, every operator is a step. `place` finds a tensor's."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[list[Any]] = []
        self._places: dict[Key, tuple[int, int]] = {}
        self._written: set[int] = set()
        # A storage's address means something only as long as the storage lives.
        self._alive: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        given = self._encode(list(args))
        keywords = {k: self._encode(v) for k, v in named.items() if k not in _PLACES}
        result = func(*args, **named)
        if name in _SAME and _key(result) in self._places:
            self._alive.append(result)
            return result  # the same memory: nothing that a follower would have to do
        self.steps.append([f"{name}.{func._overloadname}", given, keywords])
        if name.endswith("_") and args and isinstance(args[0], torch.Tensor):
            self._written.add(_storage(args[0]))
        for number, value in enumerate(result if isinstance(result, tuple | list) else [result]):
            if isinstance(value, torch.Tensor):
                self._note(value, len(self.steps) - 1, number)
        return result

    def place(self, tensor: torch.Tensor) -> tuple[int, int]:
        """(step, number of its result) of `tensor`, which may be a constant."""
        known = self._places.get(_key(tensor))
        if known is None:
            self._constant(tensor)
            known = self._places[_key(tensor)]
        return known

    def step_of(self, tensor: torch.Tensor) -> list[Any]:
        """The step that made `tensor`."""
        return self.steps[self.place(tensor)[0]]

    def is_untouched(self, tensor: torch.Tensor, name: str) -> bool:
        """Whether `tensor` is what an operator called `name` made, never written since."""
        made = str(self.step_of(tensor)[0]).split(".")[0] == name
        return made and _storage(tensor) not in self._written

    def _note(self, tensor: torch.Tensor, step: int, number: int) -> None:
        self._places[_key(tensor)] = (step, number)
        self._alive.append(tensor)

    def _constant(self, tensor: torch.Tensor) -> None:
        """A tensor that was there before: by its elements, where they are few."""
        if tensor.device.type != "cpu":
            raise Unrecordable("a value comes from a tensor of unknown origin")
        if tensor.numel() > MAX_CONSTANT_ELEMENTS:
            raise Unrecordable(f"a constant has {tensor.numel()} elements")
        values = [repr(v) if isinstance(v, float) else v for v in _elements(tensor)]
        row = [values, list(tensor.shape), dtype_name(tensor.dtype)]
        self.steps.append(["constant.", row, {}])
        self._note(tensor, len(self.steps) - 1, 0)

    def _encode(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return {"of": list(self.place(value))}
        if isinstance(value, torch.dtype):
            return {"dtype": dtype_name(value)}
        if isinstance(value, bool | int | str) or value is None:
            return value
        if isinstance(value, float):
            return {"float": repr(value)}  # JSON has no infinity
        if isinstance(value, list | tuple):
            return [self._encode(item) for item in value]
        if isinstance(value, torch.device | torch.layout | torch.memory_format):
            return None
        raise Unrecordable(f"a value of type {type(value).__name__} decides about its numbers")


class ConstantsOnCpu(torch.overrides.TorchFunctionMode):
    """`torch.tensor([…])` keeps its numbers: on the meta device they would be lost."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor):
            made = torch.tensor(*args, **{**named, "device": "cpu"})
            return made.to("meta")
        return func(*args, **named)


def _elements(tensor: torch.Tensor) -> list[Any]:
    return list(tensor.detach().reshape(-1).tolist())


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _key(tensor: torch.Tensor) -> Key:
    """The same memory seen in the same way: a Parameter is another object than its tensor."""
    geometry = (tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride()))
    return (_storage(tensor), tensor.dtype, *geometry)
