"""How workers are told of an entry: a function's name, or a class and how to make and call it.

Owns the JSON that `entry.ModuleEntry` reads. Torch-free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.contract import sha256_hex
from runner.problem import Problem

if TYPE_CHECKING:
    from runner.verifier.inputs import Case


def entry_job(problem: Problem, class_name: str | None = None) -> str | dict[str, Any]:
    """The `entry` of a `load` job. `class_name`: of the module, where it is not the candidate's."""
    form = problem.module
    if form is None:
        return problem.entry
    states = [row for row in problem.inputs if row.part != "input"]
    return {
        "class": class_name or problem.entry,
        "init": [_plain(value) for value in form.init],
        "call": [_plain(value) for value in form.call],
        "names": [row.name for row in problem.inputs],
        "inputs": len(problem.inputs) - len(states),
        "draws": form.random,
        "states": [[row.part, row.state, list(row.shape)] for row in states],
    }


def call_seed(problem: Problem, case: Case) -> int:
    """The seed that a worker is told for a call: a module's layers and dropout draw under it.

    Of a module one way from the case's own, or its constructor could make the inputs it is to get.
    """
    if problem.module is None:
        return case.seed
    if case.module_seed is not None:
        return case.module_seed
    return int(sha256_hex(f"module\0{case.seed}")[:15], 16)


def kept_inputs(problem: Problem) -> frozenset[str]:
    """The inputs that a call must leave as they are; a module's own buffers are its to update."""
    return frozenset(row.name for row in problem.inputs if row.part != "buffer")


def _plain(value: Any) -> Any:
    """JSON has neither tuples nor keys that are numbers."""
    if isinstance(value, tuple):
        return {"tuple": [_plain(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _plain(item)] for key, item in value.items()]}
    return [_plain(item) for item in value] if isinstance(value, list) else value
