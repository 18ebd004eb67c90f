"""A suite: a folder with many problems, in one of three formats that are told by what is in it.

Owns the list of problems and how one is named. Reading a list runs nothing; `SuiteProblem.load`
may run the problem's file in a sandboxed worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import RunnerError
from runner.problem import SPEC_FILE, Problem, load_problem
from runner.suites.flashinfer_bench import is_trace_set, list_definitions, load_definition
from runner.suites.kernelbench import ProblemFile, list_files, load_file

Kind = Literal["kernelbench", "folders", "flashinfer-bench"]
_MAX_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteProblem:
    """One problem of a suite. `key`: "1/19" where there are levels, else its name.

    `family` is "" where only loading would tell.
    """

    key: str
    title: str
    level: int | None
    family: str
    path: Path
    reader: Callable[[bool], Problem]

    def load(self, *, allow_no_sandbox: bool = False) -> Problem:
        """The problem as judge and loop take it: complete, without reference to the suite.

        Raises RunnerError for a file that cannot be taken, with the reason, or ProblemError.
        """
        return self.reader(allow_no_sandbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A folder of problems. `name` is the folder's."""

    name: str
    kind: Kind
    path: Path
    listed: tuple[SuiteProblem, ...]

    def problems(self, level: int | None = None) -> tuple[SuiteProblem, ...]:
        """Those of one level, or all, in order. Raises RunnerError for a level without any."""
        found = tuple(one for one in self.listed if level is None or one.level == level)
        if not found:
            levels = sorted({one.level for one in self.listed if one.level is not None})
            known = (
                f"its levels are {', '.join(map(str, levels))}" if levels else "it has no levels"
            )
            raise RunnerError(f"{self.path} has no problem of level {level}: {known}")
        return found

    def problem(self, name: str, level: int | None = None) -> SuiteProblem:
        """The one called `name`: its key, its number within `level`, or its title.

        Raises RunnerError where there is none, or more than one.
        """
        found = [one for one in self.problems(level) if _is_called(one, name)]
        if len(found) == 1:
            return found[0]
        if found:
            keys = ", ".join(one.key for one in found[:_MAX_NAMED])
            raise RunnerError(f"{name} may be any of {keys}: name the level with --level")
        where = self.path if level is None else f"level {level} of {self.path}"
        raise RunnerError(f"{where} has no problem {name}")


def open_suite(path: Path) -> Suite:
    """The suite at `path`. Raises RunnerError for a path that is none."""
    if not path.is_dir():
        raise RunnerError(f"{path} is not a suite: it is not a folder")
    path = path.resolve()
    files = list_files(path)
    if files:
        return _suite(path, "kernelbench", [_of_file(file) for file in files])
    if is_trace_set(path):
        return _suite(path, "flashinfer-bench", [_of_definition(p) for p in list_definitions(path)])
    folders = sorted(folder.parent for folder in path.glob(f"*/{SPEC_FILE}"))
    if folders:
        return _suite(path, "folders", [_of_folder(folder) for folder in folders])
    raise RunnerError(
        f"{path} is not a suite: it has neither level1/1_Name.py (KernelBench) nor definitions/ "
        f"(FlashInfer-Bench) nor folders with a {SPEC_FILE}"
    )


def _suite(path: Path, kind: Kind, listed: list[SuiteProblem]) -> Suite:
    return Suite(name=path.name, kind=kind, path=path, listed=tuple(listed))


def _of_file(file: ProblemFile) -> SuiteProblem:
    key = str(file.number) if file.level is None else f"{file.level}/{file.number}"
    return SuiteProblem(
        key=key,
        title=file.title,
        level=file.level,
        family=file.family,
        path=file.path,
        reader=lambda allow: load_file(file, allow_no_sandbox=allow),
    )


def _of_definition(path: Path) -> SuiteProblem:
    return SuiteProblem(
        key=path.stem,
        title=path.stem,
        level=None,
        family=path.parent.name if path.parent.name != "definitions" else "",
        path=path,
        reader=lambda _: load_definition(path),
    )


def _of_folder(folder: Path) -> SuiteProblem:
    return SuiteProblem(
        key=folder.name,
        title=folder.name,
        level=None,
        family="",
        path=folder,
        reader=lambda _: load_problem(folder),
    )


def _is_called(one: SuiteProblem, name: str) -> bool:
    return name in (one.key, one.key.rpartition("/")[2], one.title)
