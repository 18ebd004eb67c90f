"""A module class as a function of tensors: its inputs, then its parameters and buffers.

Owns how the class is made and how it gets the judge's parameters: by name, by position where the
shapes agree in order, else both are made under one seed. Worker side; the class is foreign code.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal

import torch

Binding = Literal["name", "position", "seed"]
Wrap = Callable[[torch.nn.Module], Any]


class ModuleEntry:
    """Callable with tensors in the spec's order. `build` comes first; a call without it builds.

    `form`: as `job.entry_job` writes it. A row of "states" is [kind, name in the state, shape];
    "draws": the reference draws numbers while it runs.
    """

    def __init__(self, code: ModuleType, form: Mapping[str, Any]) -> None:
        found = getattr(code, form["class"], None)
        if not isinstance(found, type) or not issubclass(found, torch.nn.Module):
            message = f"defines no class {form['class']}(torch.nn.Module)"
            raise AttributeError(message)  # noqa: TRY004 - as an import would
        self._class: Callable[..., torch.nn.Module] = found
        self._init = tuple(_read(value) for value in form["init"])
        self._call = tuple(_read(value) for value in form["call"])
        self._inputs = int(form["inputs"])
        self._states = [
            (str(kind), str(name), tuple(shape)) for kind, name, shape in form["states"]
        ]
        self._draws = bool(form["draws"])
        self._names = {name: place for place, name in enumerate(form["names"])}
        self._module: torch.nn.Module | None = None
        self._callable: Any = None
        self._wrap: Wrap | None = None
        self._seed: int | None = None
        self._generator: _GeneratorState | None = None
        self._fixed: frozenset[str] = frozenset()
        self._places: dict[int, str] | None = None  # of fixed parameters → our own name for it
        self._setters: list[tuple[int, Callable[[torch.Tensor], None]]] = []
        self._plain: list[tuple[torch.nn.Module, str, torch.Tensor]] = []
        self._wide = False
        self.binding: Binding = "name"

    def wrapped(self, wrap: Wrap) -> ModuleEntry:
        """The same class, each module of it put through `wrap` (a compiler)."""
        other = copy.copy(self)
        other._module, other._wrap = None, wrap
        return other

    def build(
        self,
        seed: int,
        device: torch.device,
        *,
        draws: Sequence[int] | None = None,
        fixed: Sequence[str] = (),
    ) -> Binding:
        """Make the module, once, or again for another seed where its values come from that.

        `draws`, `fixed`: as `job.build_job` says.
        """
        self._generator = _GeneratorState(device, *draws) if self._draws and draws else None
        self._fixed = self._fixed.union(fixed)
        if self._module is not None and (self.binding != "seed" or seed == self._seed):
            self._seed = seed
            return self.binding
        self._module = None  # the old one's memory goes first
        module = _construct(self._class, self._init, seed, device).requires_grad_(False)
        self.binding = self._bind(module)
        self._plain = list(_plain_tensors(module))
        self._module, self._seed, self._wide = module, seed, False
        self._callable = self._wrap(module) if self._wrap is not None else module
        return self.binding

    def __call__(self, *tensors: torch.Tensor) -> Any:
        if self._module is None:
            self.build(0, tensors[0].device)
        for place, put in self._setters:
            put(tensors[place])
        self._widen(any(tensor.dtype is torch.float64 for tensor in tensors))
        if self._generator is not None:
            # One call after another, timed ones too: each draws what the reference is to draw.
            self._generator.restore()
        with torch.no_grad():
            returned = self._callable(*(self._argument(value, tensors) for value in self._call))
        return _flat(returned)

    def match(self, tensors: Sequence[torch.Tensor]) -> None:
        """Find whom fixed parameters belong to, once, where the module made its own by the seed.

        `tensors`: a call's, in which they are as a new module has them: the one of that name and
        shape, else the next of that shape with that value.
        """
        if self._module is None or self.binding != "seed" or self._places is not None:
            return
        own = dict(self._module.named_parameters())
        self._places = {}
        for place, (kind, name, shape) in enumerate(self._states, self._inputs):
            if kind != "parameter" or name not in self._fixed:
                continue
            rest = {
                key: value
                for key, value in own.items()
                if tuple(value.shape) == shape and key not in self._places.values()
            }
            alike = (key for key in rest if torch.equal(rest[key], tensors[place]))
            found = name if name in rest else next(alike, None)
            if found is not None:
                self._places[place] = found
        self._setters = self._fixed_setters(self._module)

    def unmatched(self) -> list[str]:
        """The fixed parameters that belong to nobody."""
        if self._places is None:
            return []
        held = {self._states[place - self._inputs][1] for place in self._places}
        return sorted(self._fixed - held)

    def _fixed_setters(
        self, module: torch.nn.Module
    ) -> list[tuple[int, Callable[[torch.Tensor], None]]]:
        own = dict(module.named_parameters())
        places = (self._places or {}).items()
        return [(place, _data_of(own[name])) for place, name in places if name in own]

    def _argument(self, value: Any, tensors: Sequence[torch.Tensor]) -> Any:
        if isinstance(value, str) and value in self._names:
            return tensors[self._names[value]]
        if isinstance(value, list | tuple):
            return type(value)(self._argument(item, tensors) for item in value)
        return value

    def _bind(self, module: torch.nn.Module) -> Binding:
        """Note who takes which tensor; nothing is taken where the module made its own."""
        self._setters = []
        due = [
            (place, name, shape)
            for place, (kind, name, shape) in enumerate(self._states, self._inputs)
            if kind == "parameter"
        ]
        own = dict(module.named_parameters())
        by_name = {name: shape for _, name, shape in due}
        if by_name == {name: tuple(value.shape) for name, value in own.items()}:
            self._setters = [(place, _data_of(own[name])) for place, name, _ in due]
            binding: Binding = "name"
        elif [shape for _, _, shape in due] == [tuple(value.shape) for value in own.values()]:
            self._setters = [
                (place, _data_of(value))
                for (place, _, _), value in zip(due, own.values(), strict=True)
            ]
            binding = "position"
        else:
            self._setters = self._fixed_setters(module)
            return "seed"
        buffers = {name: tuple(value.shape) for name, value in module.named_buffers()}
        for place, (kind, name, shape) in enumerate(self._states, self._inputs):
            if kind == "buffer" and buffers.get(name) == shape:
                self._setters.append((place, _buffer_of(module, name)))
        return binding

    def _widen(self, wide: bool) -> None:
        """Tensors that are plain attributes follow the precision of the call."""
        if wide == self._wide:
            return
        for owner, name, value in self._plain:
            vars(owner)[name] = value.double() if wide else value
        self._wide = wide


class _GeneratorState:
    """The state of a device's generator that was seeded with `seed` and gave `before` numbers."""

    def __init__(self, device: torch.device, seed: int, before: int) -> None:
        generator = torch.Generator(device).manual_seed(seed)
        torch.rand(before, generator=generator, device=device)
        self._device, self._state = device, generator.get_state()

    def restore(self) -> None:
        """No operator runs here: whoever counts them sees none, and a clock next to nothing."""
        if self._device.type == "cuda":
            index = self._device.index
            place = torch.cuda.current_device() if index is None else index
            torch.cuda.default_generators[place].set_state(self._state)
        else:
            torch.default_generator.set_state(self._state)


def _read(value: Any) -> Any:
    """JSON has no tuples: {"tuple": […]} is one."""
    if isinstance(value, dict) and set(value) == {"tuple"}:
        return tuple(_read(item) for item in value["tuple"])
    if isinstance(value, dict) and set(value) == {"dict"}:
        return {_read(key): _read(item) for key, item in value["dict"]}
    return [_read(item) for item in value] if isinstance(value, list) else value


def _construct(
    make: Callable[..., torch.nn.Module], init: Sequence[Any], seed: int, device: torch.device
) -> torch.nn.Module:
    """On the device where the code allows that, else on the CPU and moved."""
    torch.manual_seed(seed)
    try:
        with torch.device(device):
            return make(*copy.deepcopy(init)).to(device)
    except (RuntimeError, TypeError):
        if device.type != "cuda":
            raise
        torch.manual_seed(seed)
        return make(*copy.deepcopy(init)).to(device)


def _data_of(parameter: torch.nn.Parameter) -> Callable[[torch.Tensor], None]:
    def put(tensor: torch.Tensor) -> None:
        if parameter.data_ptr() != tensor.data_ptr() or parameter.dtype is not tensor.dtype:
            parameter.data = tensor

    return put


def _buffer_of(module: torch.nn.Module, path: str) -> Callable[[torch.Tensor], None]:
    owner_path, _, name = path.rpartition(".")
    owner = module.get_submodule(owner_path)

    def put(tensor: torch.Tensor) -> None:
        owner._buffers[name] = tensor

    return put


def _plain_tensors(
    module: torch.nn.Module,
) -> Iterator[tuple[torch.nn.Module, str, torch.Tensor]]:
    for owner in module.modules():
        for name, value in vars(owner).items():
            if type(value) is torch.Tensor and value.is_floating_point():
                yield owner, name, value


def _flat(returned: Any) -> Any:
    """Outputs in one tuple, however they are nested; a single tensor as it is."""
    if not isinstance(returned, tuple | list):
        return returned
    flat: list[Any] = []
    for value in returned:
        inner = _flat(value)
        flat.extend(inner if isinstance(inner, tuple) else (inner,))
    return flat[0] if len(flat) == 1 else tuple(flat)
