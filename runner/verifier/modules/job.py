"""How workers are told of an entry: a function's name, or a class and how to make and call it.

Owns the JSON that `entry.ModuleEntry` reads. Torch-free.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from runner.contract import sha256_hex
from runner.problem import Problem

if TYPE_CHECKING:
    from runner.verifier.inputs import Case


_MOST_BEFORE = 4096


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
    """The seed that a worker is told for a call: a module's layers draw their values under it.

    Of a module one way from the case's own, or its constructor could make the inputs it is to get.
    """
    if problem.module is None:
        return case.seed
    if case.module_seed is not None:
        return case.module_seed
    return _one_way("module", case.seed)


def build_job(problem: Problem, case: Case, fixed: Collection[str] = ()) -> dict[str, Any]:
    """The job that makes a module for `case`. `fixed`: parameters that no seed makes differ.

    "draws": what it draws from while it runs: a generator's seed, and how many numbers it gave
    before. Neither follows from the other seeds, so what a constructor keeps is not the mask of
    a call; and the seed alone does not tell one call's numbers from another's.
    """
    own = case.seed if case.module_seed is None else case.module_seed
    start = own if case.draw_seed is None else case.draw_seed
    return {
        "op": "build",
        "seed": call_seed(problem, case),
        "draws": [_one_way("draws", start), 1 + _one_way("before", own) % _MOST_BEFORE],
        "fixed": sorted(fixed),
    }


def _one_way(purpose: str, seed: int) -> int:
    return int(sha256_hex(f"{purpose}\0{seed}")[:15], 16)


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
