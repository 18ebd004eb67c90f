"""The suite written for these tests, and its problems looked at in this process: they are ours."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from runner.problem import Problem
from runner.suites.kernelbench import list_files
from tests.fakes.suites_looking import module_of, problem_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "suites"


class Looking:
    """Loads a problem as `SuiteProblem.load` does, without the worker that takes seconds."""

    suite = FIXTURES / "small"

    def __init__(self) -> None:
        self._files = {f"{file.level}/{file.number}": file for file in list_files(self.suite)}

    def module(self, key: str) -> ModuleType:
        path = self._files[key].path
        return module_of(path.read_text(), path.stem)

    def problem(self, key: str) -> Problem:
        file = self._files[key]
        return problem_of(file, file.path.read_text())

    @staticmethod
    def kernel(name: str) -> str:
        return (FIXTURES / "kernels" / name).read_text()


@pytest.fixture(scope="session")
def looking() -> Looking:
    return Looking()
