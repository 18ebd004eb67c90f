"""How the values of a task given as a class come about, as steps that anybody can follow again.

Owns what a recipe may say, and the names of the classes. A worker writes recipes beside foreign
code: nothing here needs more than Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

MAX_STEPS = 20_000
MODEL_CLASS, CANDIDATE_CLASS = "Model", "ModelNew"

Json = Any


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
