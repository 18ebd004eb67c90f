"""The problems of a suite, in order: here a folder of problem folders.

Owns the order and the keys, which are the same on every machine. Reads a problem when it is asked
for, not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import RunnerError
from runner.problem import SPEC_FILE, Problem, load_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteProblem:
    """One problem. `level`: None where the suite has none; `family`: empty until it is loaded."""

    key: str
    title: str
    level: int | None
    family: str
    path: Path

    def load(self, *, allow_no_sandbox: bool = False) -> Problem:
        """The problem itself. Raises ProblemError."""
        return load_problem(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite that was found at `path`."""

    name: str
    kind: Literal["folders"]
    path: Path

    def problems(self, level: int | None = None) -> tuple[SuiteProblem, ...]:
        """Those of `level`, or all; links are not followed. Raises RunnerError."""
        if level is not None:
            raise RunnerError(f"{self.path} has no problem of level {level}: it has no levels")
        return tuple(
            SuiteProblem(key=folder.name, title=folder.name, level=None, family="", path=folder)
            for folder in sorted(self.path.iterdir(), key=lambda path: path.name)
            if not folder.is_symlink() and (folder / SPEC_FILE).is_file()
        )


def open_suite(path: Path) -> Suite:
    """The suite at `path`. Raises RunnerError where there is none."""
    if not path.is_dir():
        raise RunnerError(f"{path} is not a suite: it is no folder")
    suite = Suite(name=path.resolve().name, kind="folders", path=path)
    if not suite.problems():
        raise RunnerError(f"{path} is not a suite: no folder in it has a {SPEC_FILE}")
    return suite
