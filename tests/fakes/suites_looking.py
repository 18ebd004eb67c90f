"""Problem files looked at in this process: they are ours, and a worker for each takes seconds."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from runner.problem import Problem
from runner.suites.kernelbench import ProblemFile, list_files, problem_from
from runner.verifier.modules.describe import describe
from tests.fakes.sweep_suite import kept_spec

_looked_at: dict[tuple[ProblemFile, str], Problem] = {}


def module_of(text: str, name: str) -> ModuleType:
    """A file's text as a module, under no name that anything imports."""
    module = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def problem_of(file: ProblemFile, text: str) -> Problem:
    """What `load_file` makes of it, by the same means; each file is looked at once."""
    if (file, text) not in _looked_at:
        facts = describe(module_of(text, file.path.stem))
        _looked_at[file, text] = problem_from(file, text, facts)
    return _looked_at[file, text]


def keep_specs(suite: Path) -> None:
    """The spec of every problem of a suite, where the workers of `sweep_scene` look for it."""
    for file in list_files(suite):
        place = kept_spec(file.path)
        place.parent.mkdir(exist_ok=True)
        place.write_text(problem_of(file, file.path.read_text()).toml_text)
