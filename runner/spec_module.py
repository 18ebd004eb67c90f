"""The `[module]` table of a spec: a task given as a class `Model`, not as a function.

Owns its schema and what a recipe may say. Written by `runner.suites`, which reads problems in the
format of KernelBench (github.com/ScalingIntelligence/KernelBench); reads no file, runs nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_STEPS = 20_000
MAX_RECIPE_CHARS = 8 << 20
MODEL_CLASS, CANDIDATE_CLASS = "Model", "ModelNew"

Part = Literal["input", "parameter", "buffer"]
Json = Any
Literals = Annotated[str, StringConstraints(max_length=100_000)]


class ModuleModel(BaseModel):
    """`init`, `call`: Python literals; in `call` a tensor is written as its name, a string.

    `recipe`: JSON, see `Recipe`. `library_calls`: how many library operations a candidate's call
    may make. `random`: the reference draws numbers while it runs (dropout).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    init: Literals
    call: Literals
    recipe: Annotated[str, StringConstraints(max_length=MAX_RECIPE_CHARS)]
    library_calls: Annotated[int, Field(ge=0)]
    random: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the values of a problem come about, as steps that anybody can follow again.

    A step is [operator, arguments, keywords]; {"of": [n, k]} stands for result `k` of step `n`.
    `draws` make the inputs, `builds` parameters and buffers. `results`: tensor name → its place.
    `free`: the steps of `draws` whose uniform numbers are an input as they are.
    """

    draws: tuple[Json, ...]
    builds: tuple[Json, ...]
    results: dict[str, tuple[Literal["draws", "builds"], int, int]]
    free: tuple[int, ...]

    def to_json(self) -> str:
        """As it stands in a spec."""
        rows = {name: list(place) for name, place in self.results.items()}
        document = {"draws": self.draws, "builds": self.builds, "results": rows, "free": self.free}
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Raises ValueError, one clause, for what is no recipe. Operators are checked later."""
        document = json.loads(text)
        if not isinstance(document, dict) or set(document) != {
            "draws",
            "builds",
            "results",
            "free",
        }:
            raise ValueError("it is not an object with draws, builds, results and free")
        lists = {key: _steps(document[key]) for key in ("draws", "builds")}
        rows = document["results"]
        if not isinstance(rows, dict):
            raise ValueError("results is not an object")  # noqa: TRY004 - one error for bad specs
        results = {str(name): _place(row, lists) for name, row in rows.items()}
        free = document["free"]
        if not isinstance(free, list) or not all(type(step) is int for step in free):
            raise ValueError("free is not a list of steps")
        return cls(draws=lists["draws"], builds=lists["builds"], results=results, free=tuple(free))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleForm:
    """A task given as a class: how it is made, how it is called, where its values come from."""

    init: tuple[Json, ...]
    call: tuple[Json, ...]
    recipe: Recipe
    library_calls: int
    random: bool


def read_form(model: ModuleModel, names: Sequence[str]) -> ModuleForm:
    """The checked form. Raises ValueError, one clause, with the field at fault first."""
    lists: dict[str, tuple[Json, ...]] = {}
    for field, text in (("init", model.init), ("call", model.call)):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise ValueError(f"{field}: it is not a Python literal") from error
        if not isinstance(value, list):
            raise ValueError(f"{field}: it is not a list")  # noqa: TRY004 - one error for bad specs
        lists[field] = tuple(value)
    try:
        recipe = Recipe.from_json(model.recipe)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"recipe: {error}") from error
    missing = [name for name in names if name not in recipe.results]
    if missing:
        raise ValueError(f"recipe: it makes no {missing[0]}")
    return ModuleForm(
        init=lists["init"],
        call=lists["call"],
        recipe=recipe,
        library_calls=model.library_calls,
        random=model.random,
    )


def _steps(value: Json) -> tuple[Json, ...]:
    if not isinstance(value, list) or len(value) > MAX_STEPS:
        raise ValueError(f"it is not a list of at most {MAX_STEPS} steps")
    for step in value:
        good = isinstance(step, list) and len(step) == 3 and isinstance(step[0], str)
        if not good or not isinstance(step[1], list) or not isinstance(step[2], dict):
            raise ValueError("a step is [operator, arguments, keywords]")
    return tuple(value)


def _place(
    row: Json, lists: dict[str, tuple[Json, ...]]
) -> tuple[Literal["draws", "builds"], int, int]:
    if not isinstance(row, list) or len(row) != 3 or row[0] not in lists:
        raise ValueError("a result is [draws or builds, step, number]")
    steps, step, number = row
    if type(step) is not int or type(number) is not int or not 0 <= step < len(lists[steps]):
        raise ValueError("a result of a step that is not there")
    return steps, step, number
