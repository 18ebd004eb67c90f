"""The `[module]` table of a spec: a task given as a class `Model`, not as a function.

Owns its schema. Written by `runner.suites`, which reads problems in the format of KernelBench
(github.com/ScalingIntelligence/KernelBench); reads no file, runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from runner.recipe import Recipe

MAX_RECIPE_CHARS = 8 << 20

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
