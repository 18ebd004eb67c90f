"""What ran during one call of a candidate: its Triton launches and the library's operations.

Owns the hooks inside the worker: the interpreter's launch, autotuning, PyTorch's dispatcher and
the ways out of PyTorch into Python numbers. Judges nothing; `integrity` does, on the judge's side.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from triton.runtime import interpreter
from triton.runtime.autotuner import Autotuner

from runner.verifier import code_path, standin_driver
from runner.verifier.eager_mode import EagerMode
from runner.verifier.interpreter import mend_interpreter
from runner.verifier.same_language import SameLanguage


class Operations(EagerMode):
    """Counts every operator that reaches the dispatcher, by its name without overload."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counts = counts

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._counts[func._schema.name] += 1
        return func(*args, **(kwargs or {}))


class _Idle(Exception):
    """Ends a launch before its first program."""


class Tracer:
    """Hooks Triton's interpreter once; `run` then traces one call at a time."""

    def __init__(self) -> None:
        self._operations: Counter[str] = Counter()
        self._launches: Counter[str] = Counter()
        self._configs: dict[str, str] = {}
        self._idle = False
        self._draw = random.Random(0)  # noqa: S311 - picks a configuration, protects nothing
        self._ran: code_path.Blocks = {}
        mend_interpreter()
        code_path.record_interpreter(self._ran)
        self._language = SameLanguage()
        standin_driver.install(self._pretend_to_time)
        self._hook_launches()
        self._hook_autotuning()
        hook_exits(self._operations)

    def run(self, call: Callable[[], Any], config_seed: int) -> tuple[Any, dict[str, Any]]:
        """Call, and say what ran: operations, launched kernels, autotuned configurations."""
        for record in (self._operations, self._launches, self._configs, self._ran):
            record.clear()
        self._draw.seed(config_seed)
        with Operations(self._operations):
            result = call()
        facts = {
            "operations": dict(self._operations),
            "launches": dict(self._launches),
            "configs": dict(self._configs),
            "blocks": code_path.to_json(self._ran),
        }
        return result, facts

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Meanwhile a launch runs no program; the host code around it runs as ever."""
        self._idle = True
        try:
            yield
        finally:
            self._idle = False

    def _pretend_to_time(self, call: Callable[[], Any], quantiles: Sequence[float]) -> list[float]:
        """A time drawn at random: every case may meet another configuration, as on a GPU."""
        return [self._draw.random()] * len(quantiles)

    def _hook_launches(self) -> None:
        builder = interpreter.interpreter_builder
        set_grid_dim, execute = builder.set_grid_dim, interpreter.GridExecutor.__call__
        grid: list[int] = []

        def counted_grid(*sizes: int) -> Any:
            grid[:] = sizes
            self._language.check()
            if self._idle:
                raise _Idle  # after the grid was asked for, before the first program
            return set_grid_dim(*sizes)

        def counted_launch(executor: Any, *args: Any, **kwargs: Any) -> Any:
            grid.clear()
            well = False
            try:
                result = execute(executor, *args, **kwargs)
                well = True
            except _Idle:
                result = None
                well = True
            finally:
                self._language.settle(well=well)
            if grid and math.prod(grid) > 0:  # an empty grid launches nothing
                name = executor.fn.__name__
                self._launches[name] += 1
                called = (executor.fn, executor.arg_names)
                code_path.note_launch(self._ran, called, args, kwargs, grid)
            return result

        builder.set_grid_dim = counted_grid
        interpreter.GridExecutor.__call__ = counted_launch

    def _hook_autotuning(self) -> None:
        tuned_run = Autotuner.run

        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            tuner.cache.clear()
            result = tuned_run(tuner, *args, **kwargs)
            self._configs[tuner.base_fn.__name__] = str(tuner.best_config)
            return result

        Autotuner.run = run


def hook_exits(counts: Counter[str]) -> None:
    """Arithmetic on NumPy arrays or Python lists passes the dispatcher by: count the exits."""
    for name in ("numpy", "tolist", "__array__"):
        original = getattr(torch.Tensor, name)

        def noted(
            tensor: torch.Tensor, *args: Any, _name: str = name, _original: Any = original
        ) -> Any:
            counts[f"Tensor.{_name}"] += 1
            return _original(tensor, *args)

        setattr(torch.Tensor, name, noted)
